import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import { parseDigest } from "../core/digest.ts";
import { PUBLIC_REALM } from "../core/entry.ts";
import { LarderError } from "../core/errors.ts";
import type { Declared, Mirrors } from "../ecosystems/metadata.ts";
import type { DocumentFacts, MemberDeclaration, NewDeclaration } from "../storage/declarations/documents.ts";
import type { MirrorList } from "../storage/declarations/standings.ts";
import type { DeclarationWriter } from "../storage/declarations/writer.ts";
import { type DocumentSource, readDocument } from "./read-document.ts";
import type {
  ConfiguredTask,
  LearnOutcome,
  MemberReading,
  MemberTask,
  MirrorsTask,
  RootTask,
  Task,
  TaskResult,
} from "./tasks.ts";

/**
 * How long a list of mirrors holds after it was seen: Fedora's clients ask for the list of a released repository once
 * in seven days, and take payloads by it until then.
 */
const MIRRORS_HOLD_MS = 14 * 24 * 60 * 60 * 1000;

/** The worker's side of learning: reads documents and writes down what they declare, one task after the other. */
export class Learning {
  readonly #writer: DeclarationWriter;

  constructor(writer: DeclarationWriter) {
    this.#writer = writer;
  }

  /** Never rejects. */
  async run(task: Task): Promise<TaskResult> {
    try {
      return await this.#carryOut(task);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof LarderError) || error.code !== "METADATA_BROKEN") return { kind: "failed", reason };
      return { kind: "broken", reason: String(error.details["reason"] ?? reason) };
    }
  }

  #carryOut(task: Task): Promise<TaskResult> | TaskResult {
    switch (task.kind) {
      case "root":
        return this.#learnRoot(task);
      case "member":
        return this.#learnMember(task);
      case "mirrors":
        return this.#learnMirrors(task);
      case "configured":
        return this.#noteConfigured(task);
      case "collect":
        return { kind: "collected", isMoreLeft: this.#writer.collect(task.atMs) };
      case "hash":
        return hashFile(task.file, task.algorithm).then((digest) => ({ kind: "hashed", digest }));
      default:
        return task satisfies never;
    }
  }

  async #learnRoot(task: RootTask): Promise<LearnOutcome> {
    const { base, realm, uri, atMs } = task;
    const outcome = await this.#readUnlessKnown(task, task, atMs);
    this.#writer.noteRoot(task, { base, realm, rootUri: uri, atMs });
    return outcome;
  }

  async #learnMember(task: MemberTask): Promise<LearnOutcome> {
    const { ecosystem, digest, file, base, atMs } = task;
    const declaring = await this.#declaring(task);
    const [first] = declaring;
    if (first?.reading === undefined) return { kind: "ignored" };
    const path = ownName(task.path, this.#writer.namesOf(first));
    const facts: DocumentFacts = { ecosystem, digest, kind: "member", path, scope: folderOf(path) };
    const { document, opened } = JSON.parse(first.reading) as MemberReading;
    const outcome = await this.#readUnlessKnown(facts, { file, document, opened, base, path }, atMs);
    this.#writer.noteMember(facts, declaring);
    return outcome;
  }

  async #learnMirrors(task: MirrorsTask): Promise<LearnOutcome> {
    const { uri, ecosystem, realm, document, base, atMs } = task;
    const { skipped, mirrors } = await readDocument({ ...task, base: base ?? "", path: "" }, () => undefined);
    const bases = [...new Set([...(base === undefined ? [] : [base]), ...(mirrors?.bases ?? [])])];
    const via = document.kind === "rpm-metalink" ? "metalink" : "mirrorlist";
    const expiresMs = atMs + MIRRORS_HOLD_MS;
    this.#writer.noteMirrors({ uri, ecosystem, realm, via, bases, roots: rootsOf(mirrors), atMs, expiresMs });
    return { kind: "learnt", declarations: bases.length, skipped };
  }

  #noteConfigured({ repositories, atMs }: ConfiguredTask): LearnOutcome {
    const lists = repositories.map(
      ({ name, ecosystem, bases }): MirrorList => ({
        uri: name,
        ecosystem,
        realm: PUBLIC_REALM,
        via: "config",
        bases,
        roots: [],
        atMs,
        expiresMs: undefined,
      }),
    );
    this.#writer.noteConfigured(lists);
    return { kind: "learnt", declarations: 0, skipped: 0 };
  }

  async #readUnlessKnown(facts: DocumentFacts, source: DocumentSource, nowMs: number): Promise<LearnOutcome> {
    if (this.#writer.isKnown(facts)) return { kind: "known" };
    const writing = this.#writer.begin(facts, nowMs);
    try {
      const { skipped, ambiguous } = await readDocument(source, (declared) => writing.add(toRow(declared)));
      for (const place of ambiguous) writing.retract(place);
      return { kind: "learnt", declarations: writing.commit(), skipped: skipped + ambiguous.size };
    } catch (error) {
      writing.rollback();
      throw error;
    }
  }

  /** What roots declare about these very bytes at that path. */
  async #declaring({ ecosystem, path, digest, file }: MemberTask): Promise<readonly MemberDeclaration[]> {
    const declared = this.#writer.membersAt(ecosystem, path).filter(({ reading }) => reading !== undefined);
    const digests = new Map<string, string>([["sha256", digest]]);
    for (const { algorithm } of declared)
      if (!digests.has(algorithm)) digests.set(algorithm, await hashFile(file, algorithm));
    return declared.filter((declaration) => declaration.digest === digests.get(declaration.algorithm));
  }
}

/** One digest is enough, and sha256 is the name under which a blob can be found. */
function toRow({ digests, document, opened, ...declared }: Declared): NewDeclaration {
  const digest = digests.find(({ algorithm }) => algorithm === "sha256") ?? digests[0];
  if (digest === undefined) throw new LarderError("INTERNAL", "a reader declared a file without a digest");
  const reading: MemberReading | undefined = document === undefined ? undefined : { document, opened };
  return { ...declared, ...digest, reading: reading === undefined ? undefined : JSON.stringify(reading) };
}

function rootsOf(mirrors: Mirrors | undefined) {
  return (mirrors?.roots ?? []).flatMap(({ digests }) => {
    const sha256 = digests.find(({ algorithm }) => algorithm === "sha256");
    return parseDigest(sha256?.digest ?? "") ?? [];
  });
}

async function hashFile(file: string, algorithm: string): Promise<string> {
  const hash = createHash(algorithm);
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/") + 1);
}

/**
 * The name by which a root calls the file of that path itself: the nearest one in a folder above, for a name below
 * `by-hash/` comes with one beside that folder. Equal files elsewhere have the same digest, and are not meant.
 */
function ownName(path: string, names: readonly string[]): string {
  const above = names.filter((name) => name !== path && path.startsWith(folderOf(name)));
  return above.reduce((best, name) => (name.length > best.length ? name : best), above[0] ?? path);
}
