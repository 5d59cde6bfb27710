/**
 * Where a container finds what larder gives it: below `/dev`, which is a tmpfs of the container's own, so that no mount
 * point stays behind in its image.
 */
export const HANDOUT_PATH = "/dev/larder";

/**
 * The files that clients read, under the same names wherever the folder is: in a container, below a store (`trust/`),
 * elsewhere.
 */
export const HANDOUT_FILES = {
  /** PEM: the roots of the container's own image or of this machine, then larder's CA. */
  bundle: "bundle.pem",
  /** PEM of larder's CA alone. */
  ca: "ca.pem",
  aptConf: "apt.conf",
  /** Only beside a store: the script that finds out for apt whether the proxy answers. */
  aptProxyDetect: "apt-proxy-detect",
  wgetrc: "wgetrc",
  /** PKCS#12, for Java. */
  truststore: "truststore.p12",
} as const;

/** The password that Java's own truststores have; it keeps nobody out, for there is nothing secret inside. */
export const TRUSTSTORE_PASSWORD = "changeit";

/** The text of the file for wget: the image's own settings, and where the roots are. */
export function renderWgetrc(own: string): string {
  const before = own === "" || own.endsWith("\n") ? own : `${own}\n`;
  return `${before}ca_certificate = ${handoutPath("bundle")}\n`;
}

/** Where a container finds one of them. */
export function handoutPath(file: keyof typeof HANDOUT_FILES): string {
  return `${HANDOUT_PATH}/${HANDOUT_FILES[file]}`;
}
