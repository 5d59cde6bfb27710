/**
 * Where a container finds what larder gives it: below `/dev`, which is a tmpfs of the container's own, so that no mount
 * point stays behind in its image.
 */
export const HANDOUT_PATH = "/dev/larder";

/** The files there. */
export const HANDOUT_FILES = {
  /** PEM: the roots of the container's own image, then larder's CA. */
  bundle: "ca.pem",
  /** PEM of larder's CA alone. */
  ca: "larder-ca.pem",
  aptConf: "apt.conf",
  wgetrc: "wgetrc",
  /** PKCS#12, for Java. */
  truststore: "truststore.p12",
} as const;

/** Where a container finds one of them. */
export function handoutPath(file: keyof typeof HANDOUT_FILES): string {
  return `${HANDOUT_PATH}/${HANDOUT_FILES[file]}`;
}
