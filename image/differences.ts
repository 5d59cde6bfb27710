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
 * Compares an image with the same one built otherwise: every diffID, and the whole configuration but what chance brings
 * into it. Layers that differ are compared file by file.
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
  const [one, other] = [image, against].map(withoutChance) as [Record<string, unknown>, Record<string, unknown>];
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])].sort();
  return keys
    .filter((key) => !isDeepStrictEqual(one[key], other[key]))
    .map((key) => ({
      kind: "configuration",
      where: key,
      what: `is ${JSON.stringify(one[key])}, not ${JSON.stringify(other[key])}`,
    }));
}

/**
 * The configuration without what is another in each build: times, and in Docker's format the ids of the engine's own
 * containers and intermediate images. `config` by its own fields; the diffIDs are compared as layers.
 */
function withoutChance(configuration: ImageConfiguration): Record<string, unknown> {
  const { config, container_config, history } = configuration;
  const kept = Object.entries(configuration).filter(([name]) => !CHANCE.has(name));
  const lines = history?.map((line) => ({
    ...line,
    comment: line.comment?.replace(/^FROM [0-9a-f]{12}$/, "FROM"),
    created: undefined,
  }));
  return {
    ...Object.fromEntries(kept),
    ...withoutHostname(config),
    container_config: withoutHostname(container_config),
    history: lines,
  };
}

const CHANCE: ReadonlySet<string> = new Set(["created", "container", "parent", "config", "rootfs"]);

/** An engine names its containers by the first digits of their ids. */
function withoutHostname(defaults: object = {}): Record<string, unknown> {
  const kept = Object.entries(defaults).filter(([name, value]) => name !== "Hostname" || !/^[0-9a-f]{12}$/.test(value));
  return Object.fromEntries(kept);
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
