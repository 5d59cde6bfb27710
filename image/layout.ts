import { createReadStream } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough, type Readable, type Transform } from "node:stream";
import zlib from "node:zlib";
import { LarderError } from "../core/errors.ts";
import type { ImageConfiguration, ImageContents, Layer } from "./contents.ts";
import { type ReadingOptions, readLayer } from "./layer.ts";

/** OCI image specification, `descriptor.md`. */
interface Descriptor {
  readonly mediaType?: string;
  readonly digest: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

/** `image-index.md` and `manifest.md`: the first has manifests, the second a configuration and layers. */
interface ManifestOrIndex {
  readonly manifests?: readonly Descriptor[];
  readonly config?: Descriptor;
  readonly layers?: readonly Descriptor[];
}

const DIGEST = /^sha(?:256|512):[0-9a-f]+$/;
const REFERENCE_NAME = "org.opencontainers.image.ref.name";
const GZIP_MAGIC = Buffer.from([0x1f, 0x8b]);
const ZSTD_MAGIC = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

/**
 * Reads an image from a folder in the OCI image layout (`image-layout.md`).
 * @param name which of its images; the first, unless it says so
 * @throws LarderError `IMAGE_UNREADABLE`
 */
export async function readLayout(
  folder: string,
  name: string | undefined,
  options: ReadingOptions,
): Promise<ImageContents> {
  const index = await readJson<ManifestOrIndex>(join(folder, "index.json"));
  const manifest = await findManifest(folder, index, name);
  const configuration = await readJson<ImageConfiguration>(blobFile(folder, manifest.config));
  const layers: Layer[] = [];
  for (const descriptor of manifest.layers ?? []) layers.push(await readBlob(blobFile(folder, descriptor), options));
  return { configuration, layers };
}

/** Follows indexes, as those of several platforms are, to the first manifest. */
async function findManifest(
  folder: string,
  { manifests = [], ...found }: ManifestOrIndex,
  name: string | undefined,
): Promise<ManifestOrIndex> {
  if (found.config !== undefined) return found;
  const named = manifests.filter(({ annotations }) => name === undefined || annotations?.[REFERENCE_NAME] === name);
  if (named[0] === undefined)
    throw new LarderError("IMAGE_UNREADABLE", `${folder} holds no image${name === undefined ? "" : ` named ${name}`}`);
  return findManifest(folder, await readJson<ManifestOrIndex>(blobFile(folder, named[0])), undefined);
}

function blobFile(folder: string, descriptor: Descriptor | undefined): string {
  const digest = descriptor?.digest ?? "";
  if (!DIGEST.test(digest))
    throw new LarderError("IMAGE_UNREADABLE", `${folder} names a blob by ${JSON.stringify(digest)}`);
  return join(folder, "blobs", ...digest.split(":"));
}

async function readJson<T>(file: string): Promise<T> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as T;
  } catch (cause) {
    throw new LarderError("IMAGE_UNREADABLE", `${file} cannot be read as JSON; is this an OCI image layout?`, {
      cause,
    });
  }
}

async function readBlob(file: string, options: ReadingOptions): Promise<Layer> {
  const unpacked = await unpackerOf(file);
  const source = createReadStream(file);
  source.once("error", (error) => unpacked.destroy(error));
  return readLayer(source.pipe(unpacked) as Readable, options);
}

/** By its first bytes: media types were seen to be wrong. */
async function unpackerOf(file: string): Promise<Transform> {
  const handle = await open(file).catch((cause: unknown) => {
    throw new LarderError("IMAGE_UNREADABLE", `${file}: the layer is missing`, { cause });
  });
  const { buffer: head } = await handle.read(Buffer.alloc(4), 0, 4, 0);
  await handle.close();
  if (head.subarray(0, 2).equals(GZIP_MAGIC)) return zlib.createGunzip();
  if (!head.equals(ZSTD_MAGIC)) return new PassThrough();
  if ("createZstdDecompress" in zlib) return (zlib.createZstdDecompress as () => Transform)();
  throw new LarderError("IMAGE_UNREADABLE", `${file} is packed by zstd; Node 22.15 or newer reads it`);
}
