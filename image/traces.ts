import { X509Certificate } from "node:crypto";
import { HANDOUT_PATH } from "../core/handout.ts";
import type { ImageConfiguration, ImageContents } from "./contents.ts";

/** Something in an image that a build through larder has left there. */
export interface Trace {
  readonly kind: "variable" | "setting" | "history" | "ca" | "placeholder";
  /** Where it is: a variable's name, a path with its layer, the number of a history line. */
  readonly where: string;
  readonly what: string;
}

/** Addresses that only a builder means: its own loopback, and the names and addresses that engines give to it. */
const BUILDER = String.raw`(?:localhost|127\.[0-9.]+|\[::1\]|10\.0\.2\.2|10\.88\.0\.1|169\.254\.1\.2|host\.containers\.internal|host\.docker\.internal)`;
/** A proxy at such an address, or at the port that larder has by default, wherever it is. */
const BUILDERS_PROXY = new RegExp(
  String.raw`\b(?:https?|all|ftp)_proxy=["']?[a-z0-9]+://(?:[^/\s"']*@)?(?:${BUILDER}[:/"'\s]|${BUILDER}$|[^/\s"']+:3142\b)`,
  "i",
);
const BUILDERS_EXCEPTION = /\bno_proxy=\S*host\.containers\.internal/i;
const HANDOUT = new RegExp(String.raw`${HANDOUT_PATH}\b|\blarder-ca\.pem\b`);

/**
 * A line that names the folder by itself may be the Containerfile's own; one that sets something to it is an ENV or
 * ARG.
 */
const SET_TO_HANDOUT = new RegExp(String.raw`\w=\S*${HANDOUT_PATH}\b`);

/** Files that a mount is put over: empty, they are what the mount has left. */
const MOUNT_POINTS: readonly RegExp[] = [
  /^etc\/ssl\/(?:certs\/ca-certificates\.crt|cert\.pem|ca-bundle\.pem)$/,
  /^etc\/pki\/(?:tls\/certs\/ca-bundle\.crt|ca-trust\/source\/anchors\/[^/]+|ca-trust\/extracted\/pem\/tls-ca-bundle\.pem)$/,
  /^usr\/local\/share\/ca-certificates\/[^/]+$/,
  /^etc\/apt\/apt\.conf(?:\.d\/[^/]+)?$/,
  /^etc\/(?:dnf\/dnf\.conf|dnf\/libdnf5\.conf\.d\/[^/]+|yum\.conf|wgetrc|pip\.conf)$/,
];

/**
 * Which bytes of the CA to look for: they stand in every copy of it, alone, in a bundle or in an unencrypted keystore.
 */
export function caMarks(caPem: string): Buffer[] {
  const blocks = caPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.flatMap((block) => {
    const { raw, publicKey } = new X509Certificate(block);
    const key = publicKey.export({ type: "spki", format: "der" });
    // Within one line of base64, whether lines have 64 or 76 characters; and within the key, in DER.
    return [Buffer.from(raw.toString("base64").slice(200, 224)), key.subarray(-64, -16)];
  });
}

/** Everything in the image that is larder's. Its layers were read with {@link caMarks}. */
export function findTraces({ configuration, layers }: ImageContents): Trace[] {
  const inLayers = layers.flatMap((layer, index): Trace[] => {
    const at = (path: string) => `/${path} (layer ${index + 1})`;
    const entries = [...layer.entries];
    return [
      ...layer.marked.map((path) => ({ kind: "ca" as const, where: at(path), what: "holds the CA" })),
      ...entries
        .filter(([path]) => `/${path}/`.startsWith(`${HANDOUT_PATH}/`))
        .map(([path]) => ({
          kind: "placeholder" as const,
          where: at(path),
          what: "is where larder's files are mounted",
        })),
      ...entries
        .filter(([path, { type, bytes }]) => type === "file" && bytes === 0 && isMountPoint(path))
        .map(([path]) => ({ kind: "placeholder" as const, where: at(path), what: "is empty, as a mount leaves it" })),
    ];
  });
  return [...configurationTraces(configuration), ...inLayers];
}

/** A whiteout is empty, too: the layer says by it that a file is gone (OCI image specification, "Whiteouts"). */
function isMountPoint(path: string): boolean {
  return MOUNT_POINTS.some((one) => one.test(path)) && !/(?:^|\/)\.wh\.[^/]*$/.test(path);
}

function configurationTraces({ config = {}, history = [] }: ImageConfiguration): Trace[] {
  const { Env = [], ...others } = config;
  return [
    ...Env.filter(isTrace).map((entry): Trace => {
      const at = entry.indexOf("=");
      return { kind: "variable", where: entry.slice(0, at), what: entry.slice(at + 1) };
    }),
    ...Object.entries(others)
      .filter(([, value]) => isTrace(JSON.stringify(value) ?? ""))
      .map(([name, value]): Trace => ({ kind: "setting", where: name, what: JSON.stringify(value) })),
    ...history.flatMap(({ created_by = "" }, index): Trace[] =>
      isHistoryTrace(created_by) ? [{ kind: "history", where: `line ${index + 1}`, what: created_by }] : [],
    ),
  ];
}

function isTrace(text: string): boolean {
  return HANDOUT.test(text) || BUILDERS_PROXY.test(text) || BUILDERS_EXCEPTION.test(text);
}

function isHistoryTrace(text: string): boolean {
  return SET_TO_HANDOUT.test(text) || BUILDERS_PROXY.test(text) || BUILDERS_EXCEPTION.test(text);
}
