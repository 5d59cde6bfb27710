import { Command, CommanderError } from "commander";
import { PLACEHOLDERS, type SettingRow } from "../settings/row.ts";
import { flagOf, SETTINGS, type SettingKey } from "../settings/settings.ts";
import { readVersion } from "../version.ts";
import type { CommandSpec } from "./command-spec.ts";
import { COMMANDS } from "./commands.ts";
import type { Surroundings } from "./invocation.ts";
import { EXIT, usageError } from "./usage.ts";

/**
 * Runs one command line.
 * @param args without the program's own name
 * @returns the exit code; @throws what the command throws, or LarderError `USAGE`.
 */
export async function runProgram(args: readonly string[], surroundings: Surroundings): Promise<number> {
  let exitCode: number = EXIT.ok;
  const program = buildProgram(surroundings, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(asOptions(args), { from: "user" });
  } catch (error) {
    // Help and version were printed: commander ends them by an error of exit code 0.
    if (!(error instanceof CommanderError) || error.exitCode !== 0) throw error;
  }
  return exitCode;
}

/** What other programs have as commands: `larder help store gc` is `larder store gc --help`. */
function asOptions(args: readonly string[]): string[] {
  const [first, ...others] = args;
  if (first === "help") return [...others, "--help"];
  return first === "version" && others.length === 0 ? ["--version"] : [...args];
}

/** The whole command line as commander objects; a test of the documents reads its commands and options. */
export function buildProgram(surroundings: Surroundings, onExit: (exitCode: number) => void): Command {
  const program = new Command("larder")
    .description("A caching, TLS-intercepting proxy for package downloads: rpm, deb, PyPI, npm, Nix.")
    .version(readVersion(), "--version", "print the version")
    .helpCommand(false)
    .enablePositionalOptions();
  quietFailures(program);
  for (const spec of COMMANDS) addCommand(program, spec, surroundings, onExit);
  program.addHelpText(
    "after",
    examplesText([
      ["larder run -- npm install left-pad", "one command through the cache"],
      ["larder serve", "a proxy for every build on this machine"],
      ["larder config", "every setting, its value and where it came from"],
    ]),
  );
  return program;
}

function addCommand(
  parent: Command,
  spec: CommandSpec,
  surroundings: Surroundings,
  onExit: (exitCode: number) => void,
): void {
  const command = parent
    .command(spec.usage)
    .summary(spec.summary)
    // Broken into lines for who reads the table; commander breaks it anew for the terminal.
    .description((spec.description ?? spec.summary).replaceAll("\n", " "));
  command.helpCommand(false);
  quietFailures(command);
  if ("commands" in spec) {
    for (const child of spec.commands) addCommand(command, child, surroundings, onExit);
    return;
  }
  if (spec.passesOptionsOn === true) command.passThroughOptions();
  for (const [flags, help] of spec.options) command.option(flags, help);
  command.optionsGroup("Settings, by option, LARDER_… variable or line of larder.toml:");
  for (const key of spec.settings) addSetting(command, key);
  command.addHelpText("after", examplesText(spec.examples));
  command.action(async () => {
    const run = await spec.load();
    onExit(await run({ ...surroundings, flags: command.opts(), operands: command.args }));
  });
}

function addSetting(command: Command, key: SettingKey): void {
  const row: SettingRow = SETTINGS[key];
  const fallback = [row.fallback ?? []].flat().join(", ");
  const help = `${row.help}${row.isList ? "; may be repeated" : ""}${fallback === "" ? "" : ` (default: ${fallback})`}`;
  const placeholder = PLACEHOLDERS[row.kind];
  const flags = placeholder === undefined ? flagOf(key) : `${flagOf(key)} <${placeholder}>`;
  if (row.isList) command.option(flags, help, (value: string, before: readonly string[] = []) => [...before, value]);
  else command.option(flags, help);
}

/** commander prints its errors over several lines and exits by itself; ours are thrown, and main.ts prints one line. */
function quietFailures(command: Command): void {
  command.configureOutput({ outputError: () => undefined, writeErr: () => undefined });
  command.exitOverride((error) => {
    if (error.exitCode === 0) throw error;
    const path = pathOf(command);
    if (error.code !== "commander.help") throw usageError(error, path);
    const names = command.commands.map((child) => child.name()).join(", ");
    throw usageError(new CommanderError(1, error.code, `name a command: ${names}`), path);
  });
}

function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

function examplesText(examples: readonly (readonly [string, string])[]): string {
  const width = Math.max(...examples.map(([line]) => line.length));
  return `\nExamples:\n${examples.map(([line, why]) => `  ${line.padEnd(width)}  ${why}`).join("\n")}`;
}
