import { Declarations } from "../declarations.ts";
import type { Facts } from "../facts.ts";
import { brokenMetadata, type Emit, type MetadataReader } from "../metadata.ts";
import { canonicalPath } from "../repository-path.ts";
import { readControlFile } from "./control.ts";
import { FileLists } from "./file-lists.ts";

/**
 * The patches as they are served (gzipped) and unpacked; indexes without the former tell nothing that could be checked.
 */
const SERVED = "sha256-download";
const OPENED = "sha256-patches";

/**
 * Reads the `Index` of a `Packages.diff/` folder: the patches from one index to the next.
 * @param folder where the patches are: that of the document; ends in `/`.
 */
export function pdiffIndexReader(folder: string, emit: Emit): MetadataReader {
  const declarations = new Declarations(emit);
  return readControlFile([SERVED, OPENED], declarations, (stanza) => declarePatches(stanza, folder, declarations));
}

function declarePatches(stanza: Facts, folder: string, declarations: Declarations): void {
  if (stanza.contradicts) throw brokenMetadata("a field stands in it twice, with different values");
  const served = new FileLists();
  const opened = new FileLists();
  served.add("sha256", stanza.get(SERVED));
  opened.add("sha256", stanza.get(OPENED));
  for (const name of served.names()) {
    const path = canonicalPath(name);
    const content = served.contentOf(name);
    if (path === undefined || content === undefined) declarations.add(undefined);
    else {
      const patch = opened.contentOf(name.replace(/\.gz$/, ""));
      declarations.add({ kind: "member", path: folder + path, ...content, opened: patch });
    }
  }
}
