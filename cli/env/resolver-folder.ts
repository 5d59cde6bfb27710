import { chmodSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type ResolvedCache, renderNixConf, renderProxyEnv } from "../../clients/resolved.ts";
import { systemCode } from "../../core/errors.ts";
import { formatAuthority } from "../../core/target.ts";
import { parsePlace } from "../../reach/place.ts";
import type { FoundCache } from "../../reach/resolve.ts";
import type { LastKnown } from "../../reach/sources.ts";
import { makeOwnFolder, replaceFile, unwritable } from "./written-file.ts";

/**
 * The folder in which other programs read where the cache is: `<name>-ip`, `nix.conf`, `proxy.env`, and `<name>-last`
 * for the next start. A file is written only when its content changes, and at once or not at all.
 */
export class ResolverFolder {
  readonly #folder: string;
  readonly #name: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.#name = name;
  }

  /** Writes what holds without a cache, where nothing is there yet: whoever reads it now is not kept waiting. */
  writeFallback(): void {
    for (const [file, content] of Object.entries(this.#contents(undefined)))
      if (this.#read(file) === undefined) this.#write(file, content);
  }

  /** @returns whether a file has changed. @throws LarderError `FILE_UNWRITABLE` */
  write(found: FoundCache | undefined): boolean {
    const changed = Object.entries(this.#contents(found)).filter(([file, content]) => this.#read(file) !== content);
    for (const [file, content] of changed) this.#write(file, content);
    if (found !== undefined) this.#remember(found);
    return changed.length > 0;
  }

  /** `undefined` also where somebody else has written into that file. */
  lastKnown(): LastKnown | undefined {
    const written = /^((?:[\d.]+|\[[\da-f:]+\]):\d+) (trusted|untrusted)\n$/.exec(this.#read(this.#lastFile) ?? "");
    if (written?.[1] === undefined) return undefined;
    return { place: parsePlace(written[1]), isTrusted: written[2] === "trusted" };
  }

  get #lastFile(): string {
    return `${this.#name}-last`;
  }

  #contents(found: FoundCache | undefined): Readonly<Record<string, string>> {
    const cache = found === undefined ? undefined : asResolved(found);
    return {
      [`${this.#name}-ip`]: found === undefined ? "" : `${found.place.host}\n`,
      "nix.conf": renderNixConf(cache),
      "proxy.env": renderProxyEnv(cache),
    };
  }

  #remember({ place, isTrusted }: FoundCache): void {
    const content = `${formatAuthority(place)} ${isTrusted ? "trusted" : "untrusted"}\n`;
    if (this.#read(this.#lastFile) !== content) this.#write(this.#lastFile, content);
  }

  #read(file: string): string | undefined {
    try {
      return readFileSync(join(this.#folder, file), "utf8");
    } catch (error) {
      if (systemCode(error) === "ENOENT") return undefined;
      throw unwritable(join(this.#folder, file), error);
    }
  }

  /** Whatever the umask says: nix-daemon and builds of other users read it. */
  #write(file: string, content: string): void {
    if (makeOwnFolder(this.#folder)) chmodSync(this.#folder, 0o755);
    replaceFile(join(this.#folder, file), content, 0o644);
  }
}

function asResolved({ place, isLarder, isTrusted, nixPath }: FoundCache): ResolvedCache {
  const url = `http://${formatAuthority(place)}`;
  return {
    nixUrl: nixPath === undefined ? undefined : `${url}${nixPath}`,
    proxyUrl: isLarder && isTrusted ? url : undefined,
  };
}
