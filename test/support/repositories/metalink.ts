import { createHash } from "node:crypto";

/** A metalink about a repomd.xml as mirrormanager writes it. @param bases of the mirrors, best first */
export function metalink(repomd: Buffer, bases: readonly string[]): Buffer {
  const hashes = ["md5", "sha1", "sha256", "sha512"].map(
    (type) => `<hash type="${type}">${createHash(type).update(repomd).digest("hex")}</hash>`,
  );
  const urls = bases.map((base, rank) => {
    const scheme = new URL(base).protocol.replace(":", "");
    const attributes = `protocol="${scheme}" type="${scheme}" location="DE" preference="${100 - rank}"`;
    return `<url ${attributes}>${base}repodata/repomd.xml</url>`;
  });
  const timestamp = /<revision>(\d+)</.exec(repomd.toString())?.[1] ?? "0";
  return Buffer.from(`<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" generator="mirrormanager" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>${timestamp}</mm0:timestamp>
   <size>${repomd.length}</size>
   <verification>${hashes.join("\n    ")}</verification>
   <resources maxconnections="1">
    ${urls.join("\n    ")}
   </resources>
  </file>
 </files>
</metalink>
`);
}
