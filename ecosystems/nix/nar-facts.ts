import type { DigestAlgorithm } from "../../core/declaration.ts";
import { parseBytes } from "../declarations.ts";
import { brokenMetadata } from "../metadata.ts";
import { parseNixHash } from "./hash.ts";
import { NarinfoFields } from "./narinfo-fields.ts";

/** What a narinfo says of the nar that its file unpacks to. */
export interface NarFacts {
  /** As narinfos name it. */
  readonly compression: string;
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hex. */
  readonly digest: string;
  readonly bytes: number | undefined;
}

/** @throws LarderError `METADATA_BROKEN` */
export function readNarFacts(narinfo: Uint8Array): NarFacts {
  const fields = new NarinfoFields();
  fields.push(narinfo);
  fields.finish();
  const hash = parseNixHash(fields.get("NarHash"));
  if (hash === undefined) throw brokenMetadata("its NarHash cannot be read");
  // Where it says nothing, Nix takes bzip2 (nar-info.cc).
  const compression = fields.get("Compression") || "bzip2";
  return { compression, ...hash, bytes: parseBytes(fields.get("NarSize")) };
}
