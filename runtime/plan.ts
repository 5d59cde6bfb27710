/** Environment variables by name. */
type Variables = Readonly<Record<string, string>>;

/** What containers on one kind of network are told. */
export interface NetworkPlan {
  /** Added where the container has no variable of that name. */
  readonly variables: Variables;
  readonly aptConf: string;
}

/** All that the shim needs to know of one build: written as JSON by `larder build`, read once for each container. */
export interface RunPlan {
  /** For containers that share the host's network. */
  readonly hostNetwork: NetworkPlan;
  /** For containers with a network of their own. */
  readonly ownNetwork: NetworkPlan;
  /**
   * Proxy variables that the engine hands on by itself; a container that has exactly these gets ours in their place.
   */
  readonly handedOn: Variables;
  /** PEM of larder's CA. */
  readonly caFile: string;
  /** Where images keep their roots, in order; and PEM of roots for images that have none. */
  readonly bundleCandidates: readonly string[];
  readonly fallbackBundleFile: string;
  readonly truststoreFile: string;
  /** Files of dnf's configuration to be lent with roots named in them; none when the user wants them left alone. */
  readonly dnfConfs: readonly string[];
  /**
   * Folders that the engine mounts into every container, and the programs that would make them: others are spared an
   * empty folder.
   */
  readonly cacheFolders: readonly { readonly path: string; readonly owners: readonly string[] }[];
  /** What is lent to containers, by their ids: lent-folder.ts. */
  readonly lentDir: string;
  /** What is made for containers goes below it, named by content. */
  readonly handoutDir: string;
  /** One line for each container that had to be left as it was, or could not give back what was lent to it. */
  readonly faultsFile: string;
}
