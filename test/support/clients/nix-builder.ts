import { chmod, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../programs.ts";

/** Named by its content, so that a cache must tell by a realisation which path it has become. */
const DERIVATION = `derivation {
  name = "larder-built"; system = builtins.currentSystem; builder = "/bin/sh";
  args = [ "-c" "echo built by hand >&2; echo content > $out" ];
  __contentAddressed = true; outputHashMode = "recursive"; outputHashAlgo = "sha256";
}`;

/** A machine that builds a content-addressed derivation with the real Nix, or takes it from binary caches, in stores of its own. */
export class NixBuilder {
  readonly #folder: string;
  readonly #env: Readonly<Record<string, string>>;

  private constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#env = env;
  }

  /** @param folder empty and there. */
  static async create(folder: string, reach: Readonly<Record<string, string>>): Promise<NixBuilder> {
    const confDir = join(folder, "nix-conf");
    const stores = { NIX_STORE_DIR: "store", NIX_STATE_DIR: "var", NIX_LOCALSTATE_DIR: "var", NIX_LOG_DIR: "log" };
    const places = Object.entries(stores).map(([name, place]) => [name, join(folder, "nix", place)]);
    const env = { ...reach, ...Object.fromEntries(places), NIX_CONF_DIR: confDir, NIX_REMOTE: "" };
    const key = ["--generate-binary-cache-key", "larder-builder-1", join(folder, "key.sec"), join(folder, "key.pub")];
    await mustRun("nix-store", key, { cwd: folder, env });
    await mkdir(confDir);
    const lines = [
      "experimental-features = nix-command ca-derivations",
      "sandbox = false\nbuild-users-group =\nsubstituters =\ndownload-attempts = 1",
      `secret-key-files = ${join(folder, "key.sec")}`,
      `trusted-public-keys = ${await readFile(join(folder, "key.pub"), "utf8")}`,
    ];
    await writeFile(join(confDir, "nix.conf"), lines.join("\n"));
    await writeFile(join(folder, "built.nix"), DERIVATION);
    return new NixBuilder(folder, env);
  }

  /** Builds it, and publishes all there is to know of it. @returns the folder of the cache, and the derivation */
  async publish(): Promise<{ readonly cache: string; readonly derivation: string }> {
    const cache = join(this.#folder, "cache");
    await this.#run("nix-build", "built.nix", "--no-out-link");
    const derivation = await this.#run("nix-instantiate", "built.nix");
    const to = `file://${cache}?write-nar-listing=1&secret-key=${join(this.#folder, "key.sec")}`;
    await this.#run("nix", "copy", "--to", to, "-f", "built.nix");
    await this.#run("nix", "store", "copy-log", "--to", `file://${cache}`, derivation);
    return { cache, derivation };
  }

  /** Becomes a machine that has never built or downloaded anything. */
  async forget(): Promise<void> {
    const folders = ["nix", ".cache"].map((name) => join(this.#folder, name));
    for (const folder of folders) {
      // Nix makes what is in its store read-only, folders too.
      const found = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
      for (const each of found) if (each.isDirectory()) await chmod(join(each.parentPath, each.name), 0o755);
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** Has it, and says whether it was built here. */
  async realise(substituter: string): Promise<{ readonly content: string; readonly isBuiltHere: boolean }> {
    const path = await this.#run("nix-build", "built.nix", "--no-out-link", "--option", "substituters", substituter);
    const logs = await readdir(join(this.#folder, "nix/log/drvs")).catch(() => []);
    return { content: await readFile(path, "utf8"), isBuiltHere: logs.length > 0 };
  }

  /** What was said when it was built, wherever that was. */
  log(substituter: string, derivation: string): Promise<string> {
    return this.#run("nix", "log", "--option", "substituters", substituter, derivation);
  }

  async #run(program: string, ...args: string[]): Promise<string> {
    return (await mustRun(program, args, { cwd: this.#folder, env: this.#env })).toString().trim();
  }
}
