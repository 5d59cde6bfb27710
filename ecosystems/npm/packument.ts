import { Declarations, orderDigests, type Statement } from "../declarations.ts";
import { locateUrl } from "../document-url.ts";
import { parseIntegrity } from "../integrity.ts";
import { JsonReader, type JsonValue, textOf } from "../json.ts";
import type { Emit, MetadataReader, ReadOutcome } from "../metadata.ts";

/** Where a packument is. */
interface PackumentPlace {
  readonly base: string;
  /** The name of the package. */
  readonly path: string;
}

/**
 * Reads a packument, full or abbreviated, or the manifest of one version: the tarball of each version.
 * @see https://github.com/npm/registry/blob/main/docs/responses/package-metadata.md
 */
export class PackumentReader implements MetadataReader {
  readonly #place: PackumentPlace;
  readonly #declarations: Declarations;
  readonly #json = new JsonReader({
    paths: ["$.versions.*.dist", "$.dist", "$.time.*"],
    onValue: (value) => this.#take(value),
  });
  readonly #dists: { readonly version: string | undefined; readonly dist: unknown }[] = [];
  /** When each version was published; it stands behind them. */
  readonly #times = new Map<string, number>();

  constructor(place: PackumentPlace, emit: Emit) {
    this.#place = place;
    this.#declarations = new Declarations(emit);
  }

  push(chunk: Uint8Array): void {
    this.#json.push(chunk);
  }

  finish(): ReadOutcome {
    this.#json.finish();
    for (const { version, dist } of this.#dists) this.#declarations.add(this.#statementOf(version, dist));
    return this.#declarations.outcome();
  }

  #take({ value, path }: JsonValue): void {
    const [kind, version = ""] = path;
    if (kind === "versions") this.#dists.push({ version, dist: distOf(value) });
    else if (kind === "dist") this.#dists.push({ version: undefined, dist: distOf(value) });
    else if (typeof value === "string" && Number.isFinite(Date.parse(value)))
      this.#times.set(version, Date.parse(value));
  }

  #statementOf(version: string | undefined, dist: unknown): Statement | undefined {
    const { base, path: name } = this.#place;
    const tarball = textOf(dist, "tarball") ?? "";
    const location = tarball === "" ? undefined : locateUrl(tarball, { base, relativeTo: base + name });
    if (location === undefined) return undefined;
    const digests = orderDigests({ sha1: textOf(dist, "shasum"), ...parseIntegrity(textOf(dist, "integrity") ?? "") });
    const publishedMs = version === undefined ? undefined : this.#times.get(version);
    return { kind: "payload", ...location, digests, bytes: undefined, name, version, publishedMs };
  }
}

/** Only what is read of it is kept until the end. */
function distOf(value: unknown): unknown {
  return {
    tarball: textOf(value, "tarball"),
    integrity: textOf(value, "integrity"),
    shasum: textOf(value, "shasum"),
  };
}
