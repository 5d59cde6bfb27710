/**
 * The walls of the house (docs/architecture.md): which room may import which.
 * Every room may import core; the rest is listed here, and nothing else is allowed.
 */
const ROOMS = {
  core: [],
  ecosystems: [],
  policy: [],
  storage: [],
  certs: [],
  clients: [],
  reach: [],
  image: [],
  runtime: [],
  learn: ["ecosystems", "storage"],
  proxy: ["policy", "ecosystems"],
};
/** Rooms whose types proxy may name; their instances are handed in by cli/serving/wire.ts. */
const TYPES_ONLY_FOR_PROXY = ["storage", "learn", "certs"];
const ALL = [...Object.keys(ROOMS), "cli"];
const inRooms = (names) => `^(${names.join("|")})/`;

const walls = Object.entries(ROOMS).map(([room, may]) => {
  const closed = ALL.filter((other) => other !== room && other !== "core" && !may.includes(other));
  const values = room === "proxy" ? closed.filter((other) => !TYPES_ONLY_FOR_PROXY.includes(other)) : closed;
  return {
    name: `${room}-imports`,
    comment: `${room}/ may import core${may.map((m) => `, ${m}`).join("")} only`,
    severity: "error",
    from: { path: `^${room}/` },
    to: { path: inRooms(room === "core" ? ALL.filter((r) => r !== "core") : values) },
  };
});

/** One owner per library: swapping one touches one room. */
const OWNERS = {
  "better-sqlite3": "storage",
  "node-forge": "certs",
  "lru-cache": "(certs|storage|proxy/site)",
  saxes: "ecosystems",
  htmlparser2: "ecosystems",
  "@streamparser/json": "ecosystems",
  "tar-stream": "image",
  fzstd: "learn",
  "xz-decompress": "learn",
  "unbzip2-stream": "learn",
  undici: "proxy/origin",
  "http-proxy": "proxy/forwarding",
  "p-limit": "proxy",
  "multicast-dns": "reach",
  pino: "cli",
  commander: "cli",
  "smol-toml": "cli",
  valibot: "cli",
};
const owners = Object.entries(OWNERS).map(([library, owner]) => ({
  name: `${library}-owner`,
  comment: `only ${owner} may import ${library}`,
  severity: "error",
  from: { pathNot: `^${owner}` },
  to: { path: `^node_modules/(@types/)?${library}/` },
}));

/** The floors of proxy/, from the top down: a folder imports what lies below it, and nothing above or beside it. */
const FLOORS = [
  ["inbound"],
  ["exchange"],
  ["declared", "forwarding"],
  ["answer"],
  ["fill"],
  ["origin"],
  ["request", "site"],
];
const floors = FLOORS.flatMap((floor, height) =>
  floor.map((folder) => {
    const closed = FLOORS.slice(0, height + 1).flat();
    const folders = closed.filter((other) => other !== folder).map((other) => `${other}/`);
    return {
      name: `proxy-${folder}-imports`,
      comment: `proxy/${folder}/ may import the floors below it only`,
      severity: "error",
      from: { path: `^proxy/${folder}/` },
      to: { path: `^proxy/(${["proxy.ts", ...folders].join("|")})` },
    };
  }),
);

export default {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    {
      name: "no-barrels",
      comment: "no index.ts",
      severity: "error",
      from: {},
      to: { path: "/index\\.ts$", pathNot: "node_modules" },
    },
    {
      name: "no-dev-imports",
      severity: "error",
      from: { path: inRooms(ALL) },
      to: { dependencyTypes: ["npm-dev"], pathNot: "@types/" },
    },
    {
      name: "proxy-types-only",
      comment: "proxy/ gets storage, learn and certs instances handed in; it may name their types only",
      severity: "error",
      from: { path: "^proxy/" },
      to: { path: inRooms(TYPES_ONLY_FOR_PROXY), dependencyTypesNot: ["type-only"] },
    },
    ...walls,
    ...floors,
    ...owners,
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(test|bench|dist|coverage)/" },
    enhancedResolveOptions: {
      extensions: [".ts", ".mjs", ".js"],
      exportsFields: ["exports"],
      conditionNames: ["import", "node"],
    },
  },
};
