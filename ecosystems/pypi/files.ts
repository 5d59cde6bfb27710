import { Declarations, orderDigests, parseBytes, type Statement, type WrittenDigests } from "../declarations.ts";
import { locateUrl, type UrlLocation } from "../document-url.ts";
import type { Emit, ReadOutcome } from "../metadata.ts";

/** A file of a project, as its page names it, in HTML or JSON. */
export interface IndexedFile {
  readonly url: string;
  readonly digests: WrittenDigests;
  readonly bytes?: string | undefined;
  readonly publishedMs?: number | undefined;
  /** The digests of the metadata file beside it (PEP 658), where the page tells them. */
  readonly metadata: WrittenDigests | undefined;
}

/** The page that files are read from. */
export interface PagePlace {
  readonly base: string;
  readonly path: string;
}

const PROJECT = /simple\/([^/]+)/;
const DISTRIBUTION = /^(.+?)\.(?:whl|tar\.gz|zip|tar\.bz2|tar\.xz|tgz|egg)$/;

/** Declares the files of one page. */
export class IndexedFiles {
  readonly #place: PagePlace;
  readonly #declarations: Declarations;
  readonly #project: string | undefined;
  /** What relative URLs are relative to: the page, unless it says otherwise itself. */
  relativeTo: string;

  constructor(place: PagePlace, emit: Emit) {
    this.#place = place;
    this.#declarations = new Declarations(emit);
    const [, project] = PROJECT.exec(place.path) ?? [];
    this.#project = project === undefined ? undefined : normalized(project);
    this.relativeTo = place.base + place.path;
  }

  /** @throws LarderError `METADATA_BROKEN` when there are too many. */
  add(file: IndexedFile): void {
    const location = locateUrl(file.url, { base: this.#place.base, relativeTo: this.relativeTo });
    this.#declarations.add(location === undefined ? undefined : this.#distribution(file, location));
    const metadata = orderDigests(file.metadata ?? {});
    if (location === undefined || metadata.length === 0) return;
    const beside = { path: `${location.path}.metadata`, base: location.base };
    this.#declarations.add({ kind: "member", ...beside, digests: metadata, bytes: undefined });
  }

  outcome(): ReadOutcome {
    return this.#declarations.outcome();
  }

  #distribution({ digests, bytes, publishedMs }: IndexedFile, location: UrlLocation): Statement {
    const { name, version } = namesIn(location.path);
    return {
      kind: "payload",
      ...location,
      digests: orderDigests(digests),
      bytes: parseBytes(bytes),
      name: this.#project ?? name,
      version,
      publishedMs,
    };
  }
}

/** Whether a path names a file that an installer takes. */
export function isDistribution(path: string): boolean {
  return DISTRIBUTION.test(path);
}

/** `name-version-….whl` (PEP 427) and `name-version.tar.gz` (PEP 625). */
function namesIn(path: string): { readonly name: string | undefined; readonly version: string | undefined } {
  const file = path.slice(path.lastIndexOf("/") + 1);
  const stem = DISTRIBUTION.exec(file)?.[1] ?? "";
  if (file.endsWith(".whl")) {
    const [name = "", version] = stem.split("-");
    return { name: normalized(name), version };
  }
  const dash = stem.lastIndexOf("-");
  return dash < 1
    ? { name: undefined, version: undefined }
    : { name: normalized(stem.slice(0, dash)), version: stem.slice(dash + 1) };
}

/** One name for all spellings (PEP 503). */
function normalized(name: string): string {
  return name.toLowerCase().replace(/[-_.]+/g, "-");
}
