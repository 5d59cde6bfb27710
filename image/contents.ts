/** The configuration of an image: OCI image specification, `config.md`; Docker's has the same fields. */
export interface ImageConfiguration {
  readonly config?: ContainerDefaults;
  readonly history?: readonly HistoryEntry[];
  readonly rootfs: { readonly diff_ids: readonly string[] };
  /** What Docker's format tells of the container that the image was made in. */
  readonly container_config?: ContainerDefaults;
}

/** What a container of the image starts with. */
export interface ContainerDefaults {
  readonly Env?: readonly string[];
}

export interface HistoryEntry {
  readonly created_by?: string;
  readonly comment?: string;
  readonly empty_layer?: boolean;
}

/** One member of a layer. */
export interface LayerEntry {
  readonly type: string;
  readonly bytes: number;
  readonly mode: number;
  /** `uid:gid` */
  readonly owner: string;
  readonly mtimeMs: number;
  /** Hex sha256 of its bytes; empty when that was not wanted. */
  readonly sha256: string;
  /** The target of a link. */
  readonly target: string;
  /** What else its header tells: extended attributes, mostly, as JSON. */
  readonly attributes: string;
}

/** A layer as it was read. */
export interface Layer {
  /** By path, without a leading slash. The last of several with one name counts, as it does for whoever unpacks it. */
  readonly entries: ReadonlyMap<string, LayerEntry>;
  /** The files that hold one of the byte strings that were looked for. */
  readonly marked: readonly string[];
}

export interface ImageContents {
  readonly configuration: ImageConfiguration;
  /** From the base upwards, as `rootfs.diff_ids` counts them. */
  readonly layers: readonly Layer[];
}
