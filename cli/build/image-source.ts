import { spawn } from "node:child_process";
import { statSync } from "node:fs";
import { rm } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { LarderError, systemCode } from "../../core/errors.ts";
import { readArchive } from "../../image/archive.ts";
import type { ImageContents } from "../../image/contents.ts";
import type { ReadingOptions } from "../../image/layer.ts";
import { readLayout } from "../../image/layout.ts";
import { makeScratchFolder } from "../env/written-file.ts";
import type { Surroundings } from "../line/invocation.ts";
import type { Environment } from "../settings/directories.ts";

/** How an engine is asked for an image: its own options stand before the verb. */
export interface ImageEngine {
  readonly program: string;
  readonly options: readonly string[];
}

const PODMAN: ImageEngine = { program: "podman", options: [] };
const BUILDAH: ImageEngine = { program: "buildah", options: [] };
const OCI_PREFIX = "oci:";

/**
 * Reads an image: a folder in the OCI layout when it is written as `oci:DIR` or `oci:DIR:NAME`, else one of the
 * engine's.
 * @param engine podman, or buildah where there is none, unless the caller knows which one has it
 * @throws LarderError `IMAGE_UNREADABLE`
 */
export async function readImage(
  reference: string,
  reading: ReadingOptions,
  { env, workingDir }: Surroundings,
  engine?: ImageEngine,
): Promise<ImageContents> {
  if (reference.startsWith(OCI_PREFIX)) {
    const { folder, name } = splitLayout(resolve(workingDir, reference.slice(OCI_PREFIX.length)));
    return readLayout(folder, name, reading);
  }
  if (engine !== undefined) return saveImage(reference, reading, env, engine);
  return saveImage(reference, reading, env, PODMAN).catch((error: unknown) => {
    if (error instanceof LarderError && error.code === "COMMAND_NOT_FOUND")
      return saveImage(reference, reading, env, BUILDAH);
    throw error;
  });
}

function splitLayout(written: string): { readonly folder: string; readonly name: string | undefined } {
  const at = written.lastIndexOf(":");
  const isFolder = statSync(written, { throwIfNoEntry: false })?.isDirectory() === true;
  return isFolder || at === -1
    ? { folder: written, name: undefined }
    : { folder: written.slice(0, at), name: written.slice(at + 1) };
}

/** podman writes an image into a pipe, buildah needs a folder for that. */
function saveImage(
  image: string,
  reading: ReadingOptions,
  env: Environment,
  { program, options }: ImageEngine,
): Promise<ImageContents> {
  if (!program.endsWith("buildah"))
    return exportImage(program, [...options, "save", image], env, (archive) => readArchive(archive, reading));
  return withScratchFolder((folder) => {
    const push = ["push", "--quiet", "--disable-compression", image, `oci:${folder}`];
    return exportImage(program, [...options, ...push], env, async (said) => {
      await text(said);
      return readLayout(folder, undefined, reading);
    });
  });
}

/** Runs the engine, and reads what it gives; what it says when it fails is the reason. */
async function exportImage(
  program: string,
  args: readonly string[],
  env: Environment,
  read: (output: Readable) => Promise<ImageContents>,
): Promise<ImageContents> {
  const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] });
  const said = text(child.stderr);
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once("error", (cause) => {
      const isMissing = systemCode(cause) === "ENOENT";
      const message = `${program}: ${cause.message}`;
      reject(new LarderError(isMissing ? "COMMAND_NOT_FOUND" : "IMAGE_UNREADABLE", message, { cause }));
    });
    child.once("close", resolve);
  });
  const [exitCode, contents] = await Promise.all([ended, read(child.stdout).catch((error: Error) => error)]);
  if (exitCode !== 0) {
    const reason = (await said).trim().split("\n").at(-1) ?? "";
    throw new LarderError("IMAGE_UNREADABLE", `${program} does not give the image: ${reason}`);
  }
  if (contents instanceof Error) throw contents;
  return contents;
}

async function withScratchFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = makeScratchFolder("larder-image-");
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
