import { createHash } from "node:crypto";
import fc from "fast-check";
import { LarderError } from "../../core/errors.ts";
import type { Declared, DocumentKind, ReadOutcome } from "../../ecosystems/metadata.ts";
import { type DocumentPlace, openReader } from "../../ecosystems/readers.ts";

export const BASE = "https://mirror.example/repository/";

export interface Reading {
  readonly declared: readonly Declared[];
  readonly outcome: ReadOutcome;
}

/** Where documents of a kind usually are. */
const PATHS: Readonly<Record<DocumentKind, string>> = {
  "deb-inrelease": "dists/stable/InRelease",
  "deb-release": "dists/stable/Release",
  "deb-packages": "dists/stable/main/binary-amd64/Packages.xz",
  "deb-sources": "dists/stable/main/source/Sources.xz",
  "deb-pdiff-index": "dists/stable/main/binary-amd64/Packages.diff/Index",
  "rpm-repomd": "repodata/repomd.xml",
  "rpm-primary": "repodata/primary.xml.zst",
  "rpm-deltainfo": "repodata/prestodelta.xml.xz",
  "rpm-metalink": "metalink",
  "rpm-mirrorlist": "mirrorlist",
  "pypi-simple": "simple/larder/",
  "nix-narinfo": "00bgd045z0d4icpbc2yyz4gx48ak44la.narinfo",
  "npm-packument": "larder",
};

export const KINDS = Object.keys(PATHS) as readonly DocumentKind[];

export type Chunks = readonly Uint8Array[];

/** Reads a document to its end. @throws LarderError `METADATA_BROKEN` */
export function readChunks(kind: DocumentKind, chunks: Chunks, place: Partial<DocumentPlace> = {}): Reading {
  const declared: Declared[] = [];
  const reader = openReader(kind, { base: BASE, path: PATHS[kind], ...place }, (one) => declared.push(one));
  for (const chunk of chunks) reader.push(chunk);
  return { declared, outcome: reader.finish() };
}

/** As {@link readChunks}, a text as one chunk of UTF-8. */
export function read(kind: DocumentKind, document: string | Buffer, place: Partial<DocumentPlace> = {}): Reading {
  return readChunks(kind, [Buffer.from(document)], place);
}

/** Why a document is broken; `undefined` when it is whole. Whatever else goes wrong is a fault of the reader. */
export function reasonOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof LarderError && error.code === "METADATA_BROKEN") return String(error.details["reason"]);
    throw error;
  }
}

/** What is declared, as `path` with the strongest digest and the size. */
export function contents({ declared }: Pick<Reading, "declared">): Record<string, string> {
  return Object.fromEntries(
    declared.map(({ path, digests: [first], bytes }) => [path, `${first?.algorithm} ${first?.digest} ${bytes}`]),
  );
}

/** `contents` of a file that holds these bytes. */
export function contentOf(bytes: Uint8Array, algorithm = "sha256"): string {
  return `${algorithm} ${createHash(algorithm).update(bytes).digest("hex")} ${bytes.length}`;
}

/** A digest for tests that do not care which. */
export function hex(seed: string | number, algorithm = "sha256"): string {
  return createHash(algorithm).update(String(seed)).digest("hex");
}

/** Every way to hand over a document piece by piece, empty pieces included. */
export function chunkings(document: Buffer): fc.Arbitrary<Chunks> {
  return fc.array(fc.nat({ max: document.length }), { maxLength: 30 }).map((cuts) => {
    const ends = [...cuts.sort((a, b) => a - b), document.length];
    return ends.map((end, index) => document.subarray(ends[index - 1] ?? 0, end));
  });
}
