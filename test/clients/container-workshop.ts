import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { BASE_IMAGE, makeBaseImage } from "../support/clients/base-image.ts";
import { test as base } from "../support/fixtures.ts";
import { runLarder } from "../support/larder.ts";
import { ParentProxy } from "../support/networks/parent-proxy.ts";
import { mustRun, type Outcome } from "../support/programs.ts";

/**
 * What works on any machine that the tests run on: containers share the host's network, where the origins are, and runc
 * needs no unified cgroups. Everything is built anew, and what depends on the time is left out.
 */
export const BUILD = ["--network=host", "--runtime=runc", "--no-cache", "--timestamp=0"];

/** One Containerfile and what it copies. */
export interface Workpiece {
  /** Below its first line, the image it stands on. */
  readonly containerfile: string;
  /** An image that trusts the authority of the origins; else the base image is made to. */
  readonly from?: string;
  readonly files?: Readonly<Record<string, string>>;
}

/** What an engine says of an image. */
export interface InspectedImage {
  readonly Id: string;
  readonly Config: unknown;
  readonly RootFS: { readonly Layers: readonly string[] };
}

export class Workshop {
  readonly #folder: string;
  readonly #parent: ParentProxy;
  readonly #originCa: string;
  /** The engines' own options: where the images are. */
  readonly storage: readonly string[];

  constructor(folder: string, { parent, originCa, storage }: WorkshopOptions) {
    this.#folder = folder;
    this.#parent = parent;
    this.#originCa = originCa;
    this.storage = storage;
  }

  /** Builds as a user does who has no larder. @returns the image */
  async buildPlainly(
    name: string,
    piece: Workpiece,
    { engine = "podman", flags = [] }: Pick<BuildOptions, "engine" | "flags"> = {},
  ): Promise<InspectedImage> {
    const context = await this.context(name, piece);
    const tag = `localhost/plain-${name}`;
    await mustRun(engine, [...this.storage, "build", ...BUILD, ...flags, "--tag", tag, context], {
      cwd: this.#folder,
      env: this.#proxies,
    });
    return this.inspect(tag);
  }

  /**
   * Makes an image trust the authority of the origins, once and for several builds: Java's keystore holds the time.
   * @returns its name
   */
  async trusting(image: string): Promise<string> {
    await this.buildPlainly("trusting", { from: image, containerfile: TRUST });
    return "localhost/plain-trusting";
  }

  /** Builds the same by `larder build`. */
  async build(name: string, piece: Workpiece, options: BuildOptions = {}): Promise<Built> {
    const context = await this.context(name, piece);
    const tag = `localhost/larder-${name}`;
    const { engine = "podman", flags = [], engineFlags = [] } = options;
    const receiptFile = join(this.#folder, `${name}.json`);
    const command = [engine, ...this.storage, "build", ...BUILD, ...engineFlags, "--tag", tag, context];
    const outcome = await runLarder(["build", "--receipt", receiptFile, ...flags, "--", ...command], {
      folder: this.#folder,
      env: { ...this.#proxies, LARDER_ORIGIN_CA: this.#originCa },
    });
    return { outcome, tag };
  }

  /** As {@link Workshop.build}, which must succeed. */
  async mustBuild(name: string, piece: Workpiece, options?: BuildOptions): Promise<InspectedImage> {
    const { outcome, tag } = await this.build(name, piece, options);
    expect(outcome, `${outcome.stderr}\n${outcome.stdout}`).toMatchObject({ code: 0 });
    return this.inspect(tag);
  }

  async inspect(image: string): Promise<InspectedImage> {
    const said = await this.podman("image", "inspect", image);
    const [{ Id, Config, RootFS }] = JSON.parse(said.toString()) as [InspectedImage];
    return { Id, Config, RootFS };
  }

  podman(...args: readonly string[]): Promise<Buffer> {
    return mustRun("podman", [...this.storage, ...args], { cwd: this.#folder });
  }

  /** The only way out, for engines and for larder: it knows the origins by names that no_proxy does not hold. */
  get #proxies(): Record<string, string> {
    return { http_proxy: this.#parent.url, https_proxy: this.#parent.url };
  }

  /** Writes what is built into a folder. */
  async context(name: string, { containerfile, from, files = {} }: Workpiece): Promise<string> {
    const context = join(this.#folder, `context-${name}`);
    await mkdir(context, { recursive: true });
    await copyFile(this.#originCa, join(context, "origins.crt"));
    for (const [file, text] of Object.entries(files)) await writeFile(join(context, file), text);
    await writeFile(join(context, "Containerfile"), `${firstLines(from)}${containerfile}`);
    return context;
  }
}

const firstLines = (image: string | undefined): string =>
  image === undefined ? `FROM ${BASE_IMAGE}\n${TRUST}` : `FROM ${image}\n`;

const TRUST = `COPY origins.crt /usr/local/share/ca-certificates/
RUN update-ca-certificates
`;

interface WorkshopOptions {
  readonly parent: ParentProxy;
  readonly originCa: string;
  readonly storage: readonly string[];
}

export interface BuildOptions {
  readonly engine?: "podman" | "buildah";
  /** Of larder; of the engine, where it builds plainly. */
  readonly flags?: readonly string[];
  readonly engineFlags?: readonly string[];
}

export interface Built {
  readonly outcome: Outcome;
  readonly tag: string;
}

export const test = base
  .extend("storage", { scope: "file" }, async ({ prefix: _ }) => makeBaseImage())
  .extend("parent", async ({ prefix: _ }, { onCleanup }) => {
    const parent = await ParentProxy.start();
    onCleanup(() => parent.stop());
    return parent;
  })
  /** A larder that builds of the workshop join. */
  .extend("serving", ({ startLarder, folder, authority, parent }) =>
    startLarder({ folder, originCa: authority.caFile, env: { http_proxy: parent.url, https_proxy: parent.url } }),
  )
  .extend(
    "workshop",
    ({ folder, parent, authority, storage }) => new Workshop(folder, { parent, originCa: authority.caFile, storage }),
  );
