import { mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { noise } from "../noise.ts";
import { mustRun, type Outcome, runProgram } from "../programs.ts";

/** How caches pack their nars. */
export const NAR_COMPRESSIONS = ["xz", "zstd", "br", "none"] as const;

export type NarCompression = (typeof NAR_COMPRESSIONS)[number];

/** Paths in a store of their own, made and signed by the real Nix. */
export class NixStore {
  /** `name:base64` */
  readonly publicKey: string;
  /** A file of some hundred kilobytes. */
  readonly path: string;
  /** A path that refers to another. */
  readonly referring: string;
  readonly #folder: string;

  private constructor(folder: string, made: Pick<NixStore, "publicKey" | "path" | "referring">) {
    this.#folder = folder;
    this.publicKey = made.publicKey;
    this.path = made.path;
    this.referring = made.referring;
  }

  /** @param folder empty and there. */
  static async create(folder: string): Promise<NixStore> {
    const store = join(folder, "source");
    const run = async (program: string, ...args: string[]) =>
      (await mustRun(program, args, { cwd: folder, env: await nixEnvironment(folder) })).toString().trim();
    await writeFile(join(folder, "larder-payload"), noise("nix", 300_000));
    await run("nix-store", "--generate-binary-cache-key", "larder-test-1", "key.sec", "key.pub");
    const path = await run("nix-store", "--store", store, "--add", "larder-payload");
    const text = `builtins.toFile "larder-b" "refers to \${builtins.toFile "larder-a" "a"}"`;
    const referring = await run("nix", "eval", "--store", store, "--raw", "--expr", text);
    const publicKey = (await readFile(join(folder, "key.pub"), "utf8")).trim();
    return new NixStore(folder, { publicKey, path, referring });
  }

  /** Copies it all into a binary cache in a new folder. @returns that folder. */
  async publish(name: string, compression: NarCompression): Promise<string> {
    const cache = join(this.#folder, name);
    const to = `file://${cache}?compression=${compression}&secret-key=${join(this.#folder, "key.sec")}`;
    const from = ["copy", "--store", join(this.#folder, "source"), "--to", to, this.path, this.referring];
    await mustRun("nix", from, { cwd: this.#folder, env: await nixEnvironment(this.#folder) });
    return cache;
  }
}

/** A machine with a store of its own that takes paths from binary caches. */
export class NixMachine {
  readonly #home: string;
  readonly #env: Readonly<Record<string, string>>;

  readonly #enter: readonly string[];

  private constructor(home: string, env: Readonly<Record<string, string>>, enter: readonly string[]) {
    this.#home = home;
    this.#env = env;
    this.#enter = enter;
  }

  static async create(options: {
    readonly home: string;
    /** Left out where the machine knows of no proxy. */
    readonly proxy?: string;
    readonly caFile?: string;
    readonly publicKey: string;
    /** Lines at the end of its nix.conf. */
    readonly conf?: string;
    /** The words before each program that make it run elsewhere: `Network.enter`. */
    readonly enter?: readonly string[];
  }): Promise<NixMachine> {
    const { home, proxy = "", caFile = "", publicKey, enter = [] } = options;
    await mkdir(home, { recursive: true });
    const conf = `trusted-public-keys = ${publicKey}\nrequire-sigs = true\ndownload-attempts = 1\n${options.conf ?? ""}`;
    const env = { http_proxy: proxy, https_proxy: proxy, NIX_SSL_CERT_FILE: caFile };
    return new NixMachine(home, { ...env, ...(await nixEnvironment(home, conf)) }, enter);
  }

  /** `nix copy --from`, as a program sees it. */
  copy(cache: string, ...paths: readonly string[]): Promise<Outcome> {
    return this.#run("nix", "copy", "--from", cache, "--to", this.#store, ...paths);
  }

  /** `nix-store --realise`. @param caches in place of those that its configuration names */
  realise(caches: readonly string[] | undefined, path: string): Promise<Outcome> {
    const from = caches === undefined ? [] : ["--option", "substituters", caches.join(" ")];
    return this.#run("nix-store", "--store", this.#store, "--realise", path, ...from);
  }

  /** The content of a path that was taken. */
  read(path: string): Promise<Buffer> {
    return readFile(join(this.#store, "nix/store", basename(path)));
  }

  get #store(): string {
    return join(this.#home, "store");
  }

  #run(...call: string[]): Promise<Outcome> {
    const [program = "", ...args] = [...this.#enter, ...call];
    return runProgram(program, args, { cwd: this.#home, env: this.#env });
  }
}

/** The environment of a Nix that reads nobody's configuration and asks no daemon. */
async function nixEnvironment(folder: string, conf = ""): Promise<Record<string, string>> {
  const confDir = join(folder, "nix-conf");
  await mkdir(confDir, { recursive: true });
  const common = "experimental-features = nix-command\nsandbox = false\nbuild-users-group =\nsubstituters =\n";
  await writeFile(join(confDir, "nix.conf"), common + conf);
  return { NIX_CONF_DIR: confDir, NIX_REMOTE: "local" };
}
