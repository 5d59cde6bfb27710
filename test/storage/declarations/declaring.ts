import { type Digest, digestOf } from "../../../core/digest.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import type { NewDeclaration } from "../../../storage/declarations/documents.ts";
import { openDeclarations } from "../../../storage/declarations/open-declarations.ts";
import type { MayDelegate } from "../../../storage/declarations/other-places.ts";
import type { Standing } from "../../../storage/declarations/standings.ts";
import { type DeclarationWriter, openDeclarationWriter } from "../../../storage/declarations/writer.ts";
import type { DeclarationIndex, DeclaredResource, FindOptions } from "../../../storage/declarations.ts";
import { test as base, type HandClock } from "../workbench.ts";

export const ECOSYSTEM = "rpm";

/** What a made-up document declares: contents by path; a content is named by any text. */
export type Contents = Readonly<Record<string, string>>;

/** Declarations beside a store, with the writer and the reader that the program has in two threads. */
export class Declaring {
  readonly writer: DeclarationWriter;
  readonly index: DeclarationIndex;
  readonly #clock: HandClock;

  constructor(parts: {
    readonly writer: DeclarationWriter;
    readonly index: DeclarationIndex;
    readonly clock: HandClock;
  }) {
    this.writer = parts.writer;
    this.index = parts.index;
    this.#clock = parts.clock;
  }

  /** Writes a document that is called so, unless it is known. */
  read(name: string, kind: "root" | "member", declared: readonly NewDeclaration[], path = `repodata/${name}`): Digest {
    const document = { ecosystem: ECOSYSTEM, scope: "", digest: digestOf(name) };
    if (this.writer.isKnown(document)) return document.digest;
    const writing = this.writer.begin({ ...document, kind, path }, this.#clock.nowMs);
    for (const declaration of declared) writing.add(declaration);
    writing.commit();
    return document.digest;
  }

  /** Reads a root with one index, and notes that it stands at the base now. */
  publish(base: string, root: string, contents: Contents, standing: Partial<Standing> = {}): Digest {
    const index = `${root}-primary.xml`;
    const digest = this.read(root, "root", [declares(`repodata/${index}`, index, { kind: "member", reading: "{}" })]);
    this.stand(base, root, standing);
    const packages = Object.entries(contents).map(([path, content]) => declares(path, content));
    this.noteMember(this.read(index, "member", packages), `repodata/${index}`);
    return digest;
  }

  noteMember(digest: Digest, path: string): void {
    const declaring = this.writer.membersAt(ECOSYSTEM, path).filter((member) => member.digest === digest);
    this.writer.noteMember({ ecosystem: ECOSYSTEM, scope: "", digest }, declaring);
    this.index.refresh();
  }

  /** Notes that the root that was read before stands at the base now. */
  stand(base: string, root: string, standing: Partial<Standing> = {}): boolean {
    const known = this.writer.noteRoot(
      { ecosystem: ECOSYSTEM, scope: "", digest: digestOf(root) },
      { base, realm: PUBLIC_REALM, rootUri: `${base}repodata/repomd.xml`, atMs: this.#clock.nowMs, ...standing },
    );
    this.index.refresh();
    return known;
  }

  find(uri: string, options: Partial<FindOptions> = {}): DeclaredResource | undefined {
    return this.index.find(uri, { realm: PUBLIC_REALM, nowMs: this.#clock.nowMs, ...options });
  }

  /** The content that is declared about the URI, as {@link declares} named it by its digest. */
  contentAt(uri: string, options: Partial<FindOptions> = {}): string | undefined {
    return this.find(uri, options)?.declaration.digest;
  }
}

/** A declaration of a file with a content that is named by any text. */
export function declares(path: string, content: string, more: Partial<NewDeclaration> = {}): NewDeclaration {
  return {
    path,
    base: undefined,
    kind: "payload",
    reading: undefined,
    algorithm: "sha256",
    digest: digestOf(content),
    bytes: content.length,
    name: undefined,
    version: undefined,
    arch: undefined,
    publishedMs: undefined,
    ...more,
  };
}

/** Whom the declarations of a test believe beside the repositories themselves. */
export const DELEGATES = "https://mirrors.example/";
const mayDelegate: MayDelegate = (fromUri) => fromUri.startsWith(DELEGATES);

export const test = base.extend("declaring", async ({ rootDir, clock, log, store: _ }, { onCleanup }) => {
  const index = openDeclarations({ rootDir, mayDelegate, clock: clock.read, log });
  const writer = openDeclarationWriter(rootDir);
  onCleanup(() => {
    writer.close();
    index.close();
  });
  return new Declaring({ writer, index, clock });
});
