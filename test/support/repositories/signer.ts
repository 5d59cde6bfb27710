import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "../programs.ts";

export interface SignerOptions {
  /** Its key expired years ago; what it signs, it signed before. */
  readonly isExpired?: boolean;
}

/** Somebody with a key of their own, made by gpg in a home that is thrown away with its folder. */
export class Signer {
  readonly #home: string;
  readonly #flags: readonly string[];

  private constructor(home: string, { isExpired = false }: SignerOptions) {
    this.#home = home;
    this.#flags = isExpired ? ["--faked-system-time", "20200101T000000!"] : [];
  }

  /** @param home the folder of its keys, which is made. */
  static async create(home: string, options: SignerOptions = {}): Promise<Signer> {
    const signer = new Signer(home, options);
    await mkdir(home, { mode: 0o700 });
    const expires = options.isExpired === true ? "1d" : "never";
    await signer.#gpg(["--quick-generate-key", "larder tests", "ed25519", "sign", expires]);
    return signer;
  }

  clearsign(text: string): Promise<Buffer> {
    return this.#gpg(["--clearsign"], text);
  }

  /** A detached signature, armoured as repomd.xml.asc and Release.gpg are, unless the flags say otherwise. */
  sign(text: string, ...flags: readonly string[]): Promise<Buffer> {
    return this.#gpg(["--armor", ...flags, "--detach-sign"], text);
  }

  /** A message that holds the text itself. */
  signInline(text: string): Promise<Buffer> {
    return this.#gpg(["--armor", "--sign"], text);
  }

  publicKey(): Promise<Buffer> {
    return this.#gpg(["--export"]);
  }

  armouredKey(): Promise<Buffer> {
    return this.#gpg(["--armor", "--export"]);
  }

  /** Makes a folder of its key alone. */
  async keyring(folder: string): Promise<string> {
    await mkdir(folder);
    await writeFile(join(folder, "key.asc"), await this.armouredKey());
    return folder;
  }

  /** The agent that gpg starts would stay behind. */
  async #gpg(args: readonly string[], stdin = ""): Promise<Buffer> {
    const flags = ["--homedir", this.#home, "--batch", "--yes", "--passphrase", "", "--quiet", ...this.#flags];
    try {
      return await mustRun("gpg", [...flags, ...args], { cwd: this.#home, stdin });
    } finally {
      await mustRun("gpgconf", ["--homedir", this.#home, "--kill", "all"], { cwd: this.#home });
    }
  }
}
