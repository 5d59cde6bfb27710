import type { IncomingMessage } from "node:http";
import type { Digest } from "../../core/digest.ts";
import { LarderError } from "../../core/errors.ts";
import { eachField, fieldValue, type RawFields, withoutFields } from "../../core/fields.ts";
import { formatAuthority, makeTarget, parseTarget, type TargetUri } from "../../core/target.ts";
import { classify } from "../../ecosystems/classify.ts";
import { pageRewriterOf } from "../../ecosystems/links.ts";
import type { PageRewriter, Relink } from "../../ecosystems/page.ts";
import { checkOriginForm } from "../../policy/access/own-pages.ts";
import { NARROWING } from "../../policy/forwarding.ts";
import type { DerivedPage, DerivedPages } from "./derived-pages.ts";

/** `/https/HOST/…` and `/http/HOST/…`: for clients that cannot use a proxy, or not trust a CA. */
const MIRROR_PATH = /^\/(https?)\/([^/?]+)([/?].*)?$/;

/**
 * Meant for other pages of this host and of no concern to the origin; browsers send cookies to every port of a host.
 */
const KEPT_HERE: ReadonlySet<string> = new Set(["cookie", "origin", "referer"]);
/** Meant for one of several, and nobody says which. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization"]);
/**
 * A rewritten page is another representation, with validators of its own: conditions on it are answered here, and it
 * has no parts.
 */
const OF_THE_PAGE: ReadonlySet<string> = new Set([...NARROWING, "accept-encoding"]);

/** What an origin says to browsers about itself, and would say about larder here. */
const NOT_FOR_THIS_HOST =
  /^(?:set-cookie2?|access-control-.*|alt-svc|clear-site-data|content-security-policy(?:-report-only)?|nel|report-to|reporting-endpoints|service-worker-allowed|strict-transport-security|x-content-type-options)$/;
const LINKS: ReadonlySet<string> = new Set(["location", "content-location"]);
/** What does not hold for rewritten bytes any more. */
const OF_THE_ORIGINAL: ReadonlySet<string> = new Set([
  "accept-ranges",
  "content-digest",
  "content-length",
  "content-md5",
  "digest",
  "etag",
  "last-modified",
  "repr-digest",
]);
/**
 * Mirrored pages run no scripts and read nothing of larder's (a script of one mirrored site could read all the others).
 */
const HARMLESS = ["Content-Security-Policy", "sandbox", "X-Content-Type-Options", "nosniff"];

/** What goes out in place of an origin's page. */
export interface PageAnswer {
  readonly status: 200 | 304;
  readonly fields: RawFields;
  readonly body: Buffer;
}

/** How a mirror stands among others that may answer the same request. */
export interface MirrorOptions {
  readonly pages: DerivedPages;
  /** Another may have what this one does not: such an answer is an error here, and nothing of it goes out. */
  readonly isOneOfSeveral?: boolean;
  /** Put before relative references: where this mirror alone is found. */
  readonly folder?: string;
}

/**
 * One request by a mirror URL: where it leads, and how its answer is made fit for being read under larder's own name.
 */
export class Mirror {
  readonly target: TargetUri;
  readonly isOneOfSeveral: boolean;
  readonly #pages: DerivedPages;
  readonly #folder: string;
  readonly #base: string;
  readonly #rewriter: PageRewriter | undefined;
  readonly #ifNoneMatch: string | undefined;

  constructor(
    request: IncomingMessage,
    target: TargetUri,
    { pages, isOneOfSeveral = false, folder = "" }: MirrorOptions,
  ) {
    const { headers, socket } = request;
    this.target = target;
    this.isOneOfSeveral = isOneOfSeveral;
    this.#pages = pages;
    this.#folder = folder;
    const own = formatAuthority({ host: socket.localAddress ?? "localhost", port: socket.localPort ?? 80 });
    this.#base = `http://${headers.host ?? own}`;
    this.#rewriter = pageRewriterOf(classify(target, headers), headers.accept);
    this.#ifNoneMatch = headers["if-none-match"];
    takeFields(request, KEPT_HERE);
    if (isOneOfSeveral) takeFields(request, CREDENTIALS);
    if (this.#rewriter !== undefined) takeFields(request, OF_THE_PAGE);
  }

  /**
   * The fields of an answer as they may stand under larder's own name: links lead back here, and browsers are held off.
   */
  dress(fields: RawFields): string[] {
    const dressed: string[] = [];
    eachField(fields, (name, value, line) => {
      if (NOT_FOR_THIS_HOST.test(name)) return;
      dressed.push(line, LINKS.has(name) ? this.#relink(value) : value);
    });
    return [...dressed, ...HARMLESS];
  }

  /** Whether the body is to be read as a whole and handed to {@link Mirror.derive}. */
  derives(status: number, fields: RawFields): boolean {
    return this.#rewriter !== undefined && status === 200 && fieldValue(fields, "content-encoding") === undefined;
  }

  /**
   * What goes out in place of these stored bytes, where they were rewritten before.
   * @returns `undefined` where they were not
   */
  derived(fields: RawFields, source: Digest): PageAnswer | undefined {
    const page = this.#pages.find(this.#recipe(fields, source));
    return page === undefined ? undefined : this.#answer(fields, page);
  }

  /**
   * Makes what goes out in place of the origin's page.
   * @param source what names its stored bytes, where they are stored
   */
  derive(fields: RawFields, original: Buffer, source: Digest | undefined): PageAnswer {
    const rewritten = this.#rewriter?.(original.toString("utf8"), mediaType(fields), this.#relink);
    const body = rewritten === undefined ? original : Buffer.from(rewritten);
    return this.#answer(fields, this.#pages.make(source && this.#recipe(fields, source), body));
  }

  /** The fields for a page that is not made. */
  undress(fields: RawFields): RawFields {
    return withoutFields(fields, OF_THE_ORIGINAL);
  }

  #answer(fields: RawFields, { etag, body }: DerivedPage): PageAnswer {
    const rest = [...this.undress(fields), "ETag", etag];
    const isKnown = this.#ifNoneMatch?.split(",").some((tag) => tag.trim().replace(/^W\//, "") === etag) === true;
    if (isKnown) return { status: 304, fields: rest, body: Buffer.alloc(0) };
    return { status: 200, fields: [...rest, "Content-Length", String(body.length)], body };
  }

  /** Everything that decides what a page becomes. */
  #recipe(fields: RawFields, source: Digest): string {
    const { scheme, authority } = this.target;
    return [source, this.#rewriter?.name, mediaType(fields), this.#base, scheme, authority, this.#folder].join(" ");
  }

  readonly #relink: Relink = (reference) => {
    const { scheme, authority } = this.target;
    const absolute = /^(https?):\/\/([^/?#@]+(?:[/?#].*)?)$/i.exec(reference);
    if (absolute !== null) return `${this.#base}/${(absolute[1] as string).toLowerCase()}/${absolute[2]}`;
    if (reference.startsWith("//")) return `${this.#base}/${scheme}/${reference.slice(2)}`;
    return reference.startsWith("/") ? `${this.#base}/${scheme}/${authority}${reference}` : this.#folder + reference;
  };
}

/**
 * Reads a request for a mirror URL.
 * @returns `undefined` for other origin-form requests.
 * @throws LarderError `HOST_NOT_SERVED`, `CROSS_SITE`, `METHOD_NOT_ALLOWED`, or those of a target
 */
export function openMirror(
  request: IncomingMessage,
  serverNames: readonly string[],
  pages: DerivedPages,
): Mirror | undefined {
  const match = MIRROR_PATH.exec(request.url ?? "");
  if (match === null) return undefined;
  checkReading(request, serverNames);
  const [, scheme, authority, path = "/"] = match;
  const { scheme: known, host: name, port } = parseTarget(`${scheme}://${unescaped(authority as string)}`);
  return new Mirror(request, makeTarget(known, { host: name, port }, path), { pages });
}

function mediaType(fields: RawFields): string {
  const [type = ""] = (fieldValue(fields, "content-type") ?? "").split(";", 1);
  return type.trim().toLowerCase();
}

/**
 * Who reads under larder's own name must mean it.
 * @throws LarderError `HOST_NOT_SERVED`, `CROSS_SITE`, `METHOD_NOT_ALLOWED`
 */
export function checkReading({ headers, method }: IncomingMessage, serverNames: readonly string[]): void {
  const { host, "sec-fetch-site": site } = headers;
  checkOriginForm({ host, secFetchSite: typeof site === "string" ? site : undefined, serverNames });
  if (method !== "GET" && method !== "HEAD")
    throw new LarderError("METHOD_NOT_ALLOWED", "mirror URLs are for reading: use larder as a proxy for other methods");
}

/** pip writes `localhost%3A8080`; in an authority these characters mean the same either way. */
function unescaped(authority: string): string {
  return authority.replace(/%(?:3a|5b|5d)/gi, (escaped) => decodeURIComponent(escaped));
}

/** Removes fields from a request where it comes in, so that nothing is decided by them. */
function takeFields({ rawHeaders, headers }: IncomingMessage, names: ReadonlySet<string>): void {
  const kept = withoutFields(rawHeaders, names);
  rawHeaders.splice(0, rawHeaders.length, ...kept);
  for (const name of names) delete headers[name];
}
