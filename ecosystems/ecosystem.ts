import type { ResourceClass } from "../core/entry.ts";

export type { ResourceClass } from "../core/entry.ts";

export const ECOSYSTEM_NAMES = ["deb", "rpm", "pypi", "nix", "npm"] as const;

export type EcosystemName = (typeof ECOSYSTEM_NAMES)[number];

/** What the shape of a request says before anything has been fetched. */
export interface Classification {
  readonly class: ResourceClass;
  /** `undefined` for *other*. */
  readonly ecosystem: EcosystemName | undefined;
  /**
   * The content coding in which larder asks for it and stores it: `identity`, or `gzip` for large text that is
   * negotiated from there; `asked` leaves it to the client's own Accept-Encoding.
   */
  readonly coding: "identity" | "gzip" | "asked";
  /** The format gives a name to one content for ever: a registry takes no second upload under it. */
  readonly isImmutable?: boolean;
  /**
   * The Accept under which this root tells when releases were published, where its clients take that for what they ask.
   */
  readonly acceptWithTimes?: string;
  /** How long it is believed that there is none (404), where it may come any moment. */
  readonly missingFreshForMs?: number;
  /** A root that says nothing but where its payloads are, and what they are: it holds as long as they are stored. */
  readonly holdsWithPayloads?: boolean;
  /** How the format signs this root, where it does. */
  readonly signature?: SignatureForm;
  /** The name of the root that clients ask for where a repository does not have this one. */
  readonly otherwise?: string;
  /** Of a signature that stands beside its root: what its name has more than the root's. */
  readonly signs?: string;
}

/**
 * Around the text itself (RFC 9580 §7), in a file of its own beside it whose name has that much more, or in lines of
 * the document, by keys of Nix's kind.
 */
export type SignatureForm =
  | { readonly kind: "clearsigned" }
  | { readonly kind: "detached"; readonly suffix: string }
  | { readonly kind: "narinfo" };
