import type { DigestAlgorithm } from "../../core/declaration.ts";
import { Declarations } from "../declarations.ts";
import type { Facts } from "../facts.ts";
import type { Emit, MetadataReader } from "../metadata.ts";
import { readControlFile } from "./control.ts";
import { FileLists } from "./file-lists.ts";
import type { PathsOf } from "./paths.ts";

/** The fields that list the files of a source package, by digest. */
const LISTS: ReadonlyMap<DigestAlgorithm, string> = new Map([
  ["sha512", "checksums-sha512"],
  ["sha256", "checksums-sha256"],
  ["sha1", "checksums-sha1"],
  ["md5", "files"],
]);
const FIELDS = ["package", "version", "directory", ...LISTS.values()];

/** Reads a `Sources` index: the files of each source package, below its `Directory`. */
export function sourcesReader(pathsOf: PathsOf, emit: Emit): MetadataReader {
  const declarations = new Declarations(emit);
  return readControlFile(FIELDS, declarations, (stanza) => declareFiles(stanza, pathsOf, declarations));
}

function declareFiles(stanza: Facts, pathsOf: PathsOf, declarations: Declarations): void {
  const files = new FileLists();
  for (const [algorithm, field] of LISTS) files.add(algorithm, stanza.get(field));
  const directory = stanza.get("directory") ?? "";
  const source = { name: stanza.get("package"), version: stanza.get("version"), arch: "source" };
  for (const name of files.names()) {
    const content = stanza.contradicts ? undefined : files.contentOf(name);
    const paths = name.includes("/") ? [] : pathsOf(directory === "" ? name : `${directory}/${name}`);
    if (content === undefined || paths.length === 0) declarations.add(undefined);
    else for (const path of paths) declarations.add({ kind: "payload", path, ...content, ...source });
  }
}
