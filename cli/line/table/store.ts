import { PLACE_KEYS, SETTING_KEYS } from "../../settings/settings.ts";
import { type CommandSpec, JSON_OPTION } from "../command-spec.ts";

/** What is kept, and why. */
export const STORE_COMMANDS: readonly CommandSpec[] = [
  {
    usage: "store",
    summary: "look into the store, and care for it",
    commands: [
      {
        usage: "du",
        summary: "how much the store holds",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [["larder store du", "blobs, entries, bytes and the limit"]],
        load: async () => (await import("../../commands/store.ts")).storeUsage,
      },
      {
        usage: "ls [text]",
        summary: "what the store holds, most recently used first",
        settings: PLACE_KEYS,
        options: [["--limit <count>", "lines at most (default: 1000)"], JSON_OPTION],
        examples: [["larder store ls left-pad", "entries whose URI contains the text"]],
        load: async () => (await import("../../commands/store.ts")).storeList,
      },
      {
        usage: "gc",
        summary: "evict what was not used for long, or is above a limit",
        description:
          "Evicts blobs with their entries: those that were not used for --older-than, then the least recently used until the rest fits\n" +
          "into --max-bytes, roots and members last, pinned ones never. Without either the store's own limit holds.",
        settings: [...PLACE_KEYS, "maxBytes"],
        options: [
          ["--older-than <time>", "what was not used for so long, such as 12h or 30d"],
          ["--dry-run", "only say what would go"],
          JSON_OPTION,
        ],
        examples: [
          ["larder store gc --older-than 30d", "what a month did not need"],
          ["larder store gc --max-bytes 10GiB --dry-run", "what it would take"],
        ],
        load: async () => (await import("../../commands/store-gc.ts")).collectGarbage,
      },
      {
        usage: "pin <what...>",
        summary: "keep blobs from being evicted, also after the cache was lost",
        description:
          "Pins blobs by their digest, eight or more of its first digits, or a pattern over the URIs that name them now. A pin is kept\n" +
          "with the ledger and holds for a blob whenever it is there.",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [
          ["larder store pin 870c0fe10962", "as larder store ls prints it"],
          ["larder store pin 'https://deb.debian.org/debian/dists/bookworm/**'", "a suite's metadata"],
        ],
        load: async () => (await import("../../commands/store-pin.ts")).pin,
      },
      {
        usage: "unpin <what...>",
        summary: "let pinned blobs be evicted again",
        settings: PLACE_KEYS,
        options: [JSON_OPTION],
        examples: [["larder store unpin '**'", "all of them"]],
        load: async () => (await import("../../commands/store-pin.ts")).unpin,
      },
      {
        usage: "verify",
        summary: "look at every row and every byte of the store",
        description:
          "Checks rows, blobs, files that nothing names, and staging, in this order, beside a running proxy or without one. What looks\n" +
          "wrong is read a second time before it is condemned; what is condemned is not served. Exit code 1 when something is wrong and\n" +
          "was not repaired.",
        settings: PLACE_KEYS,
        options: [["--repair", "remove what is condemned; it is fetched again when it is asked for"], JSON_OPTION],
        examples: [["larder store verify --repair", "after a power cut, or when a disk is in doubt"]],
        load: async () => (await import("../../commands/store-verify.ts")).verify,
      },
      {
        usage: "rebuild",
        summary: "go back to the daily copy of the index, while no proxy runs",
        description:
          "For an index that is damaged, as verify says. It is set aside as index.damaged-<ms>.sqlite, and its copy of the last day takes\n" +
          "its place, or a new index where there is none. Blobs that came after the copy are taken in when everybody may have them: declared\n" +
          "packages are served from the store again, after their bytes were hashed. What URLs answered since the copy is forgotten; what\n" +
          "stored metadata declares is learnt again. A proxy does this by itself when it starts without its index, or with one that it\n" +
          "cannot open.",
        settings: PLACE_KEYS,
        options: [["--force", "although nothing is wrong with the index"], JSON_OPTION],
        examples: [["larder store rebuild --root ./cache", "after verify found the index damaged"]],
        load: async () => (await import("../../commands/store-rebuild.ts")).rebuild,
      },
      {
        usage: "purge <pattern>",
        summary: "forget the answers of the URIs that match",
        description:
          "A pattern is about whole URIs: ** stands for any text, * for any text without a slash, everything else for itself. Blobs\n" +
          "that no other entry names go, too, unless they are pinned.",
        settings: PLACE_KEYS,
        options: [["--dry-run", "only list the URIs"], JSON_OPTION],
        examples: [
          ["larder store purge 'https://registry.npmjs.org/left-pad'", "one answer"],
          ["larder store purge '**/left-pad-*.tgz' --dry-run", "what would be forgotten"],
        ],
        load: async () => (await import("../../commands/store-purge.ts")).purge,
      },
    ],
  },
  {
    usage: "why <url>",
    summary: "say what larder would do with this URL now, and why",
    settings: SETTING_KEYS,
    options: [JSON_OPTION],
    examples: [["larder why https://registry.npmjs.org/left-pad", "class, entry, blob and decision"]],
    load: async () => (await import("../../commands/why.ts")).why,
  },
];
