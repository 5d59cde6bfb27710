import type { Digest } from "../../core/digest.ts";
import type { SignatureForm } from "../../ecosystems/ecosystem.ts";
import type { MetadataPlace } from "../../ecosystems/metadata.ts";
import type { PlanContext, RequestView } from "../../policy/plan.ts";
import type { Reply } from "./reply.ts";

/** A GET or HEAD that has been read and classified, on its way to an answer. */
export interface Errand {
  readonly reply: Reply;
  readonly view: RequestView;
  readonly context: Omit<PlanContext, "nowMs">;
  /** `GET <target URI>`: where stored answers stand. */
  readonly key: string;
  /** Where it stands in a repository's metadata, when it is a root or a list of mirrors. */
  readonly place: MetadataPlace | undefined;
  /** How it is signed, when it is a root of a format that signs its roots. */
  readonly signature: SignatureForm | undefined;
  /** A blob that the system could not read just now: it counts as not stored. */
  readonly unreadable?: Digest;
}
