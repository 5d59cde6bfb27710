import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { baseline } from "./contestants/baseline.ts";
import type { Contestant } from "./contestants/contestant.ts";
import { larder, larderAt } from "./contestants/larder.ts";
import { nginx } from "./contestants/nginx.ts";
import { squid } from "./contestants/squid.ts";
import type { Discipline } from "./heat.ts";
import type { Scheme } from "./programs/protocol.ts";
import { SCENARIOS } from "./scenarios.ts";

const SCHEMES: readonly Scheme[] = ["http", "https"];
const OTHERS: readonly Contestant[] = [larder, squid, nginx];
const OPTIONS = {
  rounds: { type: "string", default: "5" },
  beside: { type: "string", multiple: true },
  json: { type: "boolean", default: false },
} as const;
const NAMES: readonly string[] = [...SCENARIOS.map(nameOf), ...SCHEMES, ...OTHERS.map(nameOf)];

export const USAGE = `usage: npm run bench -- [NAMES…] [--rounds N] [--beside NAME=PROGRAM]… [--json]
NAMES narrow the run down: ${NAMES.join(" ")}
--beside adds another build of larder: NAME=path/to/dist/cli/main.js`;

export interface Plan {
  readonly disciplines: readonly Discipline[];
  /** The baseline first, always. */
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly json: boolean;
}

/** Reads the command line. @throws Error that says what is wrong with it */
export function planOf(args: readonly string[]): Plan {
  const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  const unknown = positionals.find((name) => !NAMES.includes(name));
  if (unknown !== undefined) throw new Error(`no scenario, scheme or contestant is called ${unknown}`);
  const schemes = narrow(SCHEMES, positionals, (scheme) => scheme);
  return {
    disciplines: narrow(SCENARIOS, positionals, nameOf).flatMap((scenario) =>
      schemes.map((scheme) => ({ scenario, scheme })),
    ),
    contestants: [baseline, ...narrow(OTHERS, positionals, nameOf), ...(values.beside ?? []).map(parseBeside)],
    rounds: parseRounds(values.rounds),
    json: values.json,
  };
}

function parseRounds(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds takes a number from 1: ${text}`);
  return rounds;
}

function parseBeside(text: string): Contestant {
  const [, name, program] = /^([a-z0-9-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || program === undefined || NAMES.includes(name) || name === baseline.name)
    throw new Error(`--beside takes a new name and a program, NAME=path/to/dist/cli/main.js: ${text}`);
  return larderAt(name, resolve(program));
}

function nameOf({ name }: { readonly name: string }): string {
  return name;
}

/** Those of one kind that were named, or all of it where none was. */
function narrow<T>(all: readonly T[], names: readonly string[], name: (one: T) => string): readonly T[] {
  const named = all.filter((one) => names.includes(name(one)));
  return named.length > 0 ? named : all;
}
