import type { DigestAlgorithm } from "../../core/declaration.ts";
import { orderDigests, parseBytes } from "../declarations.ts";
import { brokenMetadata, type DeclaredContent } from "../metadata.ts";

/**
 * Files by name, with what several lists of `<digest> <bytes> <name>` lines, one for each algorithm, say about them.
 */
export class FileLists {
  readonly #files = new Map<string, ListedFile>();

  /**
   * Reads a list, the value of one field.
   * @throws LarderError `METADATA_BROKEN` when a line is something else.
   */
  add(algorithm: DigestAlgorithm, list: string | undefined): void {
    for (const line of list?.split("\n") ?? []) if (line !== "") this.#addLine(algorithm, line);
  }

  /** In the order in which the lists first name them. */
  names(): Iterable<string> {
    return this.#files.keys();
  }

  /**
   * @returns `undefined` when no list names the file, when they do not agree about it, or tell nothing that could be
   * checked.
   */
  contentOf(name: string): DeclaredContent | undefined {
    const file = this.#files.get(name);
    if (file === undefined || file.contradicts) return undefined;
    const bytes = parseBytes(file.size);
    const digests = orderDigests(file.digests);
    return bytes === undefined || digests.length === 0 ? undefined : { digests, bytes };
  }

  #addLine(algorithm: DigestAlgorithm, line: string): void {
    const [, digest, size, name] = LINE.exec(line) ?? [];
    if (digest === undefined || size === undefined || name === undefined)
      throw brokenMetadata(`a line of its ${algorithm} list is not digest, size and name`);
    const file = this.#files.get(name);
    if (file === undefined) this.#files.set(name, { digests: { [algorithm]: digest }, size, contradicts: false });
    else {
      const before = file.digests[algorithm];
      if (file.size !== size || (before !== undefined && before !== digest)) file.contradicts = true;
      file.digests[algorithm] = digest;
    }
  }
}

const LINE = /^(\S+)[ \t]+(\S+)[ \t]+(\S.*)$/;

interface ListedFile {
  readonly digests: Partial<Record<DigestAlgorithm, string>>;
  readonly size: string;
  contradicts: boolean;
}
