import { Declarations, orderDigests, parseBytes, type Statement } from "../declarations.ts";
import type { Facts } from "../facts.ts";
import type { Emit, MetadataReader } from "../metadata.ts";
import { readControlFile } from "./control.ts";
import type { PathsOf } from "./paths.ts";

const FIELDS = ["package", "version", "architecture", "filename", "size", "sha512", "sha256", "sha1", "md5sum"];

/** Reads a `Packages` index: each package's `Filename` with its digests. */
export function packagesReader(pathsOf: PathsOf, emit: Emit): MetadataReader {
  const declarations = new Declarations(emit);
  return readControlFile(FIELDS, declarations, (stanza) => {
    const paths = pathsOf(stanza.get("filename") ?? "");
    if (paths.length === 0) declarations.add(undefined);
    for (const path of paths) declarations.add(statementOf(stanza, path));
  });
}

function statementOf(stanza: Facts, path: string): Statement | undefined {
  const bytes = parseBytes(stanza.get("size"));
  if (stanza.contradicts || bytes === undefined) return undefined;
  return {
    kind: "payload",
    path,
    digests: orderDigests({
      sha512: stanza.get("sha512"),
      sha256: stanza.get("sha256"),
      sha1: stanza.get("sha1"),
      md5: stanza.get("md5sum"),
    }),
    bytes,
    name: stanza.get("package"),
    version: stanza.get("version"),
    arch: stanza.get("architecture"),
  };
}
