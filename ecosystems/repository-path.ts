import { parseTarget, type TargetUri } from "../core/target.ts";
import { pathOf } from "./path.ts";

/**
 * One file, one name. Clients write the same path in several ways (apt: `./c%2b%2b`, `%7e`; dnf: `//`, `%5e`), and
 * metadata writes it raw. The canonical form has no empty, `.` or `..` segments, and percent-encodes in upper case
 * exactly the octets that RFC 3986 §3.3 does not let stand in a segment, so that `base + path` is a URL to ask for.
 */
const CANONICAL_SEGMENT = "[\\w\\-.~!$&'()*+,;=:@]+";
const PLAIN = new RegExp(`^${CANONICAL_SEGMENT}(?:/${CANONICAL_SEGMENT})*$`);
const HAS_DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:\/|$)/;
const TO_ENCODE = /[^\w\-.~!$&'()*+,;=:@/]/g;
/** C0 controls and DEL: no package is called so, and they could split a request line. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being refused
const CONTROL = /[\u0000-\u001f\u007f]/;
/** npm writes the slash of a scoped name so (`@scope%2fname`), and registries take both. */
const SCOPE = /((?:^|\/)@[^/%]+)%2f/gi;
/** Linux's PATH_MAX. */
const MAX_PATH_OCTETS = 4096;

/**
 * The canonical form of a file name that metadata tells raw: a `%` in it is a percent sign (apt 2.6 and dnf 4.14 both
 * ask for `%25`).
 * @param octets one character for each octet.
 * @returns `undefined` when it names nothing inside its repository: absolute, with `..`, a folder, with control
 * characters.
 */
export function canonicalPath(octets: string): string | undefined {
  if (octets.length > MAX_PATH_OCTETS) return undefined;
  if (PLAIN.test(octets) && !HAS_DOT_SEGMENT.test(octets)) return octets;
  if (octets.startsWith("/") || CONTROL.test(octets)) return undefined;
  const segments = octets.split("/");
  const name = segments.at(-1);
  if (name === "" || name === "." || segments.includes("..")) return undefined;
  const kept = segments.filter((segment) => segment !== "" && segment !== ".");
  return kept.join("/").replace(TO_ENCODE, encodeOctet);
}

/** As {@link canonicalPath}, for a name that was read as text. */
export function canonicalPathOfText(text: string): string | undefined {
  return canonicalPath(utf8Octets(text));
}

/**
 * The name under which declarations know what a request asks for: `scheme://authority/` and a canonical path.
 * @returns `undefined` for a folder, and where the path could be read in two ways: with a query, `..`, `%2F` or a
 * broken percent-encoding.
 */
export function canonicalUri(target: TargetUri): string | undefined {
  if (target.path.includes("?")) return undefined;
  const octets = decode(target.path.replace(/^\/+/, ""));
  const path = octets === undefined ? undefined : canonicalPath(octets);
  return path === undefined ? undefined : `${target.scheme}://${target.authority}/${path}`;
}

/**
 * As {@link canonicalUri}, of a file that its query tells apart from others: that is part of its name then, byte for
 * byte, behind an encoded `?`.
 */
export function canonicalUriWithQuery(target: TargetUri): string | undefined {
  const at = target.path.indexOf("?");
  if (at < 0) return canonicalUri(target);
  const uri = canonicalUri({ ...target, path: target.path.slice(0, at) });
  const query = target.path.slice(at);
  if (uri === undefined || query.length > MAX_PATH_OCTETS) return undefined;
  return uri + query.replace(/[^\w\-.~!$&'()*+,;=:@]/g, encodeOctet);
}

/**
 * The names under which something may be declared about a target: with its query, and without, for what a pre-signed
 * URL has there differs each time. The most exact comes first.
 */
export function declaredNames(target: TargetUri): readonly string[] {
  const plain = canonicalUri({ ...target, path: pathOf(target) });
  const exact = canonicalUriWithQuery(target);
  if (plain === undefined) return [];
  return exact === undefined || exact === plain ? [plain] : [exact, plain];
}

/**
 * The base that a document names in full, with or without its last `/`.
 * @returns `undefined` when it is no plain http(s) URL.
 */
export function canonicalBase(text: string): string | undefined {
  const target = targetOf(text);
  if (target === undefined) return undefined;
  const folder = target.path.replace(/\/+$/, "");
  if (folder === "") return `${target.scheme}://${target.authority}/`;
  const uri = canonicalUri({ ...target, path: folder });
  return uri === undefined ? undefined : `${uri}/`;
}

/** The target of a URL in a document; `undefined` when larder could not ask for it. */
export function targetOf(text: string): TargetUri | undefined {
  try {
    return parseTarget(utf8Octets(text));
  } catch {
    return undefined;
  }
}

/** @returns `undefined` when a percent sign does not stand before two digits, or hides a slash. */
function decode(path: string): string | undefined {
  // node:http gives one character for each octet; anything above was never on the wire.
  const written = /[\u0100-\uffff]/.test(path) ? utf8Octets(path) : path;
  const octets = written.includes("@") ? written.replace(SCOPE, "$1/") : written;
  if (!octets.includes("%")) return octets;
  if (/%(?![0-9A-Fa-f]{2})|%2f/i.test(octets)) return undefined;
  return octets.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** One character for each octet of the text in UTF-8; always memory of its own (see xml.ts). */
function utf8Octets(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

function encodeOctet(octet: string): string {
  return `%${octet.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
