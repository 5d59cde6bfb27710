import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type ResolvedCache, renderNixConf, renderProxyEnv } from "../../clients/resolved.ts";
import { LarderError, systemCode } from "../../core/errors.ts";
import { formatAuthority } from "../../core/target.ts";
import { parsePlace } from "../../reach/place.ts";
import type { FoundCache } from "../../reach/resolve.ts";
import type { LastKnown } from "../../reach/sources.ts";

/**
 * The folder in which other programs read where the cache is: `<name>-ip`, `nix.conf`, `proxy.env`, and `<name>-last` for the next
 * start. A file is written only when its content changes, and at once or not at all.
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

  /** @returns whether a file has changed. @throws LarderError `CONFIG_UNREADABLE` where it cannot be written. */
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
      throw this.#unwritable(error);
    }
  }

  #write(file: string, content: string): void {
    const unfinished = join(this.#folder, `.${file}.${process.pid}`);
    try {
      // Whatever the umask says: nix-daemon and builds of other users read it.
      if (mkdirSync(this.#folder, { recursive: true }) !== undefined) chmodSync(this.#folder, 0o755);
      writeFileSync(unfinished, content);
      chmodSync(unfinished, 0o644);
      renameSync(unfinished, join(this.#folder, file));
    } catch (error) {
      throw this.#unwritable(error);
    }
  }

  #unwritable(cause: unknown): LarderError {
    const message = `${this.#folder} cannot be used (${systemCode(cause)}); run as root, or choose another with --state-dir`;
    return new LarderError("CONFIG_UNREADABLE", message, { cause });
  }
}

function asResolved({ place, isLarder, isTrusted, nixPath }: FoundCache): ResolvedCache {
  const url = `http://${formatAuthority(place)}`;
  return {
    nixUrl: nixPath === undefined ? undefined : `${url}${nixPath}`,
    proxyUrl: isLarder && isTrusted ? url : undefined,
  };
}
