/** Digest algorithms that repositories declare; sha1 and md5 may only detect a mismatch, never make a hit elsewhere. */
export type DigestAlgorithm = "sha256" | "sha512" | "sha384" | "sha1" | "md5";

/** Whether nobody can make other bytes that have the digest. */
export function isStrong(algorithm: DigestAlgorithm): boolean {
  return algorithm !== "sha1" && algorithm !== "md5";
}

/** "In this repository, this path has this digest and size." */
export interface Declaration {
  readonly algorithm: DigestAlgorithm;
  /** Lower-case hex. */
  readonly digest: string;
  /** Length of the payload, where the repository tells it. */
  readonly bytes: number | undefined;
}
