import { isDeepStrictEqual } from "node:util";
import type { ImageConfiguration, ImageContents, Layer, LayerEntry } from "./contents.ts";

/** How one image differs from another that should be the same. */
export interface Difference {
  readonly kind: "configuration" | "layer" | "file";
  readonly where: string;
  readonly what: string;
}

/** Enough to see what happened. */
const MAX_FILES = 50;

/**
 * Compares an image with the same one built otherwise: every diffID, and the whole configuration but the times at which it
 * was made. Layers that differ are compared file by file.
 */
export function findDifferences(image: ImageContents, against: ImageContents): Difference[] {
  const ids = [image, against].map(({ configuration }) => configuration.rootfs.diff_ids);
  const count = Math.max(...ids.map(({ length }) => length));
  const layers = Array.from({ length: count }, (_, index) => index).flatMap((index): Difference[] => {
    const [one, other] = [ids[0]?.[index], ids[1]?.[index]];
    if (one === other) return [];
    const where = `layer ${index + 1}`;
    const what = `is ${one ?? "missing"}, not ${other ?? "there at all"}`;
    return [{ kind: "layer", where, what }, ...fileDifferences(where, image.layers[index], against.layers[index])];
  });
  return [...configurationDifferences(image.configuration, against.configuration), ...layers];
}

function configurationDifferences(image: ImageConfiguration, against: ImageConfiguration): Difference[] {
  const [one, other] = [image, against].map(withoutTimes) as [Record<string, unknown>, Record<string, unknown>];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return keys
    .filter((key) => !isDeepStrictEqual(one[key], other[key]))
    .map((key) => ({
      kind: "configuration",
      where: key,
      what: `is ${JSON.stringify(one[key])}, not ${JSON.stringify(other[key])}`,
    }));
}

/** `config` by its own fields; the diffIDs are compared as layers. */
function withoutTimes({ config, history, rootfs: _, ...others }: ImageConfiguration): Record<string, unknown> {
  const { created: __, ...kept } = others as Record<string, unknown>;
  const lines = history?.map((line) => ({ ...line, created: undefined }));
  return { ...kept, ...config, history: lines };
}

function fileDifferences(where: string, image: Layer | undefined, against: Layer | undefined): Difference[] {
  if (image === undefined || against === undefined) return [];
  const paths = [...new Set([...image.entries.keys(), ...against.entries.keys()])].sort();
  return paths
    .flatMap((path): Difference[] => {
      const what = entryDifference(image.entries.get(path), against.entries.get(path));
      return what === undefined ? [] : [{ kind: "file", where: `/${path} (${where})`, what }];
    })
    .slice(0, MAX_FILES);
}

function entryDifference(one: LayerEntry | undefined, other: LayerEntry | undefined): string | undefined {
  if (one === undefined) return "is missing";
  if (other === undefined) return "is added";
  const fields = (Object.keys(one) as (keyof LayerEntry)[]).filter((field) => one[field] !== other[field]);
  return fields.length === 0 ? undefined : `differs in ${fields.join(", ")}`;
}
