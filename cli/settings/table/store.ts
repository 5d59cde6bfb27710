import type { SettingRow } from "../row.ts";

/** How much is kept, and for how long it is good. */
export const STORE = {
  maxBytes: {
    kind: "sizeOrAuto",
    isList: false,
    fallback: "auto",
    help: "limit of the store, such as 50GiB or 500M; auto: the smaller of 50 GiB and half of the disk's free space",
    reason: "a cache must never be what fills the disk",
  },
  minFreeSpace: {
    kind: "sizeOrAuto",
    isList: false,
    fallback: "auto",
    help: "what the store leaves free on its disk, whoever fills it, such as 2GiB; auto: the smaller of 1 GiB and a twentieth of the disk",
    reason: "other programs write to that disk, too, and most fail worse than a cache when it is full",
  },
  scrubEvery: {
    kind: "age",
    isList: false,
    fallback: "30d",
    help: "how often larder serve reads every blob again, slowly and while nothing is fetched, for bits that flipped on the disk; 0: never",
    reason:
      "a large body is served without being hashed again; at 16 MiB/s a full store takes less than an hour a month",
  },
  rootFreshFor: {
    kind: "duration",
    isList: false,
    fallback: "5m",
    help: "upper bound of the freshness of metadata that names everything else; 0 asks the origin each time",
    reason: "a build of many steps sees one state; a fix published now is seen within minutes",
  },
  targetedField: {
    kind: "fieldName",
    isList: true,
    fallback: [],
    help: "response field that stands in for Cache-Control and Expires where an origin sends it, such as CDN-Cache-Control; the first given goes first",
    reason: "such a field is meant for a site's own content network, and larder is nobody's until its user says so",
  },
} as const satisfies Readonly<Record<string, SettingRow>>;
