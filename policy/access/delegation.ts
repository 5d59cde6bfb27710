import { isNamed } from "./host-patterns.ts";

interface Delegation {
  /** Host pattern of who speaks. */
  readonly speaker: string;
  /** Host patterns of whom it speaks about; any host where it is left out. */
  readonly about?: readonly string[];
  readonly reason: string;
}

/**
 * Who may speak about repositories at other hosts than its own: the mirror services of distributions, about the mirrors
 * they name, and indexes about the host that has their files. Whoever stands here decides which bytes are right at any
 * host, so the list is short; a user adds to it with
 * `--delegate`. A host may always speak about itself.
 */
const DELEGATIONS: readonly Delegation[] = [
  {
    speaker: "mirrors.fedoraproject.org",
    reason: "Fedora's and EPEL's metalinks: digests of repomd.xml and the mirrors that have it",
  },
  { speaker: "mirrors.rockylinux.org", reason: "Rocky Linux's mirror lists" },
  { speaker: "mirrors.almalinux.org", reason: "AlmaLinux's mirror lists" },
  { speaker: "mirrors.centos.org", reason: "CentOS Stream's metalinks" },
  { speaker: "mirrorlist.centos.org", reason: "CentOS's mirror lists, as far as they still stand" },
  { speaker: "mirrors.rpmfusion.org", reason: "RPM Fusion's metalinks" },
  { speaker: "download.opensuse.org", reason: "openSUSE's redirector serves a metalink beside each file" },
  { speaker: "pypi.org", about: ["files.pythonhosted.org"], reason: "PyPI's files" },
  { speaker: "test.pypi.org", about: ["test-files.pythonhosted.org"], reason: "TestPyPI's files" },
  {
    speaker: "registry.yarnpkg.com",
    about: ["registry.npmjs.org"],
    reason: "Yarn's name for npm's registry: its packuments name the tarballs of the other",
  },
];

/**
 * Whether a list of mirrors or an index may speak about a base at another host. Only over https: what came in the clear
 * could have been written by anybody, about anybody.
 * @param delegates host patterns that the user added
 */
export function mayDelegate(fromUri: string, toBase: string, delegates: readonly string[]): boolean {
  if (!URL.canParse(fromUri) || !URL.canParse(toBase)) return false;
  const from = new URL(fromUri);
  if (from.origin === new URL(toBase).origin) return true;
  if (from.protocol !== "https:") return false;
  const to = new URL(toBase).hostname;
  const speakers = DELEGATIONS.filter(({ about }) => about === undefined || isNamed(about, to));
  return isNamed([...speakers.map(({ speaker }) => speaker), ...delegates], from.hostname);
}
