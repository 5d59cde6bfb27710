import type { Compression, MetadataDocument } from "../metadata.ts";

const INDEX = /(?:^|\/)(Packages|Sources)(?:\.(xz|gz|zst|bz2))?$/;
/** The list of patches that lead to the newest index, whatever the index is. */
const PDIFF_INDEX = /(?:^|\/)[^/]+\.diff\/Index$/;

const COMPRESSIONS: Readonly<Record<string, Compression>> = { xz: "xz", gz: "gzip", zst: "zstd", bz2: "bzip2" };

/** Which document of a Debian repository a path names, if there is a reader for it. */
export function debDocument(path: string): MetadataDocument | undefined {
  if (PDIFF_INDEX.test(path)) return { kind: "deb-pdiff-index", compression: "plain" };
  const index = INDEX.exec(path);
  if (index === null) return undefined;
  const [, name, extension] = index;
  return {
    kind: name === "Packages" ? "deb-packages" : "deb-sources",
    compression: extension === undefined ? "plain" : COMPRESSIONS[extension],
  };
}
