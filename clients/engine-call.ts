/** What builds or runs containers. */
export type Engine = "podman" | "buildah" | "docker";

/** A command line of an engine, taken apart. Joined in the order of the fields it is the command again. */
export interface EngineCall {
  readonly engine: Engine;
  readonly action: "build" | "run";
  readonly program: string;
  /** The engine's own options, before the verb. */
  readonly globals: readonly string[];
  /** `build`, or `image build`. */
  readonly verb: readonly string[];
  /** All that follows. */
  readonly rest: readonly string[];
}

const ENGINES: ReadonlySet<string> = new Set(["podman", "podman-remote", "buildah", "docker"]);

/** What stands in front of the verb proper: podman(1), docker(1). */
const NOUNS: ReadonlySet<string> = new Set(["image", "container", "buildx", "builder"]);

const ACTIONS: Readonly<Record<Engine, Readonly<Record<string, EngineCall["action"]>>>> = {
  podman: { build: "build", run: "run" },
  buildah: { bud: "build", build: "build", "build-using-dockerfile": "build" },
  docker: { build: "build" },
};

/** The global options that take no value; every other one takes the next word unless it holds a `=`. */
const FLAGS: ReadonlySet<string> = new Set([
  ...["--help", "-h", "--version", "-v", "--debug", "-D"],
  ...["--remote", "-r", "--syslog", "--trace", "--noout", "--transient-store", "--tls", "--tlsverify"],
]);

/** Takes a command line apart. @returns `undefined` when it is none that builds or runs a container. */
export function readEngineCall(command: readonly string[]): EngineCall | undefined {
  const [program = "", ...words] = command;
  const name = program.slice(program.lastIndexOf("/") + 1);
  if (!ENGINES.has(name)) return undefined;
  const engine = (name === "podman-remote" ? "podman" : name) as Engine;
  const verbAt = endOfGlobals(words);
  const verbLength = NOUNS.has(words[verbAt] ?? "") ? 2 : 1;
  const verb = words.slice(verbAt, verbAt + verbLength);
  const action = ACTIONS[engine][verb.at(-1) ?? ""];
  if (action === undefined) return undefined;
  return { engine, action, program, globals: words.slice(0, verbAt), verb, rest: words.slice(verbAt + verbLength) };
}

function endOfGlobals(words: readonly string[]): number {
  let at = 0;
  for (let word = words[at]; word?.startsWith("-"); word = words[at])
    at += FLAGS.has(word) || word.includes("=") ? 1 : 2;
  return at;
}

/**
 * The value of an option, by any of its names, wherever the call has it; the last one counts, as it does for the
 * engine.
 */
export function optionOf(call: EngineCall, ...names: readonly string[]): string | undefined {
  return findOption([...call.globals, ...call.rest], names).at(-1)?.value;
}

/** The call without an option and its value. */
export function withoutOption(call: EngineCall, ...names: readonly string[]): EngineCall {
  const strip = (words: readonly string[]) => {
    const dropped = new Set(findOption(words, names).flatMap(({ at }) => at));
    return words.filter((_, index) => !dropped.has(index));
  };
  return { ...call, globals: strip(call.globals), rest: strip(call.rest) };
}

/** The call with more options behind its verb, as a command line. */
export function commandOf(call: EngineCall, inserted: readonly string[]): string[] {
  return [call.program, ...call.globals, ...call.verb, ...inserted, ...call.rest];
}

interface Found {
  readonly value: string;
  /** The indexes of the words that make it up. */
  readonly at: readonly number[];
}

/** What follows `--` is no option. */
function findOption(words: readonly string[], names: readonly string[]): Found[] {
  const end = words.indexOf("--");
  const options = end === -1 ? words : words.slice(0, end);
  return options.flatMap((word, index) => {
    if (names.includes(word)) {
      const value = options[index + 1];
      return value === undefined ? [] : [{ value, at: [index, index + 1] }];
    }
    const name = names.find((one) => word.startsWith(`${one}=`));
    return name === undefined ? [] : [{ value: word.slice(name.length + 1), at: [index] }];
  });
}
