import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import tar from "tar-stream";
import { LarderError } from "../core/errors.ts";
import type { ImageConfiguration, ImageContents, Layer } from "./contents.ts";
import { type ReadingOptions, readLayer } from "./layer.ts";

/** `manifest.json` of an archive that `podman save` or `docker save` writes: one image, or the first of several. */
type ArchiveManifest = readonly { readonly Config: string; readonly Layers: readonly string[] }[];

/** Configurations and manifests; what is larger is none. */
const MAX_DOCUMENT_BYTES = 16 * 1024 * 1024;

/**
 * Reads an image from a docker-archive, as it comes: layers in it are plain, and stand before the manifest that orders
 * them.
 * @throws LarderError `IMAGE_UNREADABLE`
 */
export async function readArchive(archive: Readable, options: ReadingOptions): Promise<ImageContents> {
  const layers = new Map<string, Layer>();
  const documents = new Map<string, Buffer>();
  /** What an archive for old readers links to. */
  const links = new Map<string, string>();
  const extract = tar.extract();
  const read = async () => {
    for await (const member of extract) {
      const { name, type, size = 0, linkname } = member.header;
      if (type === "symlink") links.set(name, baseName(linkname ?? ""));
      if (type === "file" && name.endsWith(".tar"))
        layers.set(name, await readLayer(member as unknown as Readable, options));
      else if (type === "file" && size <= MAX_DOCUMENT_BYTES) documents.set(name, await buffer(member));
      else member.resume();
    }
  };
  await Promise.all([pipeline(archive, extract), read()]);
  const [manifest] = parseDocument<ArchiveManifest>(documents, "manifest.json");
  if (manifest === undefined) throw new LarderError("IMAGE_UNREADABLE", "the archive holds no image");
  return {
    configuration: parseDocument<ImageConfiguration>(documents, manifest.Config),
    layers: manifest.Layers.map((name) => {
      const layer = layers.get(name) ?? layers.get(links.get(name) ?? "");
      if (layer === undefined) throw new LarderError("IMAGE_UNREADABLE", `the archive lacks its layer ${name}`);
      return layer;
    }),
  };
}

function parseDocument<T>(documents: ReadonlyMap<string, Buffer>, name: string): T {
  const text = documents.get(name)?.toString();
  if (text === undefined) throw new LarderError("IMAGE_UNREADABLE", `the archive lacks ${name}`);
  return JSON.parse(text) as T;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
