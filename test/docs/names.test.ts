import { readdirSync } from "node:fs";
import { access, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Command } from "commander";
import { describe, expect, test } from "vitest";
import { buildProgram } from "../../cli/line/program.ts";
import { SETTING_KEYS, variableOf } from "../../cli/settings/settings.ts";
import { type Document, ROOT, readDocuments } from "./documents.ts";

/** Options of other programs that the documents name by themselves. */
const FOREIGN_OPTIONS: ReadonlySet<string> = new Set([
  "--cache",
  "--env",
  "--env-host",
  "--format",
  "--user",
  "--volume",
  "--runtime",
  "--network",
  "--isolation",
  "--remote",
  "--connection",
  "--timestamp",
  // of the program that guests are given
  "--proxy",
  "--ca-sha256",
  "--dir",
]);
/** Variables in larder's name that are no settings. */
const OTHER_VARIABLES: ReadonlySet<string> = new Set(["LARDER_TEST_LONG"]);

const documents = await readDocuments();
const program = buildProgram({ env: {}, workingDir: ROOT }, () => undefined);
const topFolders = readdirSync(ROOT, { withFileTypes: true }).filter((entry) => entry.isDirectory());
const rooms = new Set(topFolders.map(({ name }) => name));
const { scripts } = JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")) as {
  scripts: Record<string, string>;
};

test("docs/architecture.md names the folders of every room", () => {
  const text = documents.find(({ path }) => path === "docs/architecture.md")?.text ?? "";
  const withFolders = [
    "core",
    "ecosystems",
    "policy",
    "storage",
    "learn",
    "certs",
    "clients",
    "reach",
    "image",
    "proxy",
    "cli",
  ];
  const missing = withFolders.flatMap((room) => {
    // One for each format: they are told together.
    const folders = readdirSync(join(ROOT, room), { withFileTypes: true }).filter((entry) => entry.isDirectory());
    return room === "ecosystems"
      ? []
      : folders.map(({ name }) => name).filter((name) => !text.includes(`\`${name}/\``));
  });
  expect(missing).toEqual([]);
});

describe.for(documents.map((document) => [document.path, document] as const))("%s", ([, document]) => {
  test("links to files that exist", async () => {
    const targets = document.links.map((link) => link.replace(/#.*/, "")).filter((link) => link !== "");
    const found = await Promise.all(targets.map((target) => exists(join(ROOT, dirname(document.path), target))));
    expect(targets.filter((_, index) => !found[index])).toEqual([]);
  });

  test("names files and folders of this repository that exist", async () => {
    const named = document.spans.filter(isRepositoryPath);
    const found = await Promise.all(named.map((path) => isThere(path, document)));
    expect(named.filter((_, index) => !found[index])).toEqual([]);
  });

  test("names commands and options of larder that exist", () => {
    expect(commandLines(document).flatMap(faultsOf)).toEqual([]);
  });

  test("names options by themselves only where some command has them", () => {
    const options = document.spans
      .map((span) => /^--[a-z][a-z-]*/.exec(span)?.[0])
      .filter((option) => option !== undefined);
    const known = new Set([...allOptions(program), ...FOREIGN_OPTIONS]);
    expect(options.filter((option) => !known.has(option))).toEqual([]);
  });

  test("names scripts of package.json that exist", () => {
    const named = [...document.text.matchAll(/\bnpm (?:run ([\w:]+)|(test)\b)/g)].map(
      ([, run, itself]) => run ?? itself ?? "",
    );
    expect(named.filter((script) => !(script in scripts))).toEqual([]);
  });

  test("names variables that are settings", () => {
    const named = [...document.text.matchAll(/\bLARDER_[A-Z][A-Z_]*\b/g)].map(([name]) => name);
    const known = new Set([...SETTING_KEYS.map(variableOf), ...OTHER_VARIABLES]);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** Whether the text means a file or folder of the sources: it begins in one of their folders, or ends as their files do. */
function isRepositoryPath(text: string): boolean {
  if (!/^\.?[\w@][\w./*-]*$/.test(text)) return false;
  const [first = ""] = text.split("/");
  return (text.includes("/") && rooms.has(first)) || /\w\.(ts|mjs|md)$/.test(text);
}

/** From the root, or beside the document; where a `*` stands, its folder counts. */
async function isThere(path: string, document: Document): Promise<boolean> {
  const certain = path.includes("*") ? dirname(path.slice(0, path.indexOf("*") + 1)) : path;
  return (await exists(join(ROOT, certain))) || (await exists(join(ROOT, dirname(document.path), certain)));
}

/** Every `larder …` of the document, from its name to the end of the command. */
function commandLines(document: Document): readonly string[] {
  const texts = [...document.blocks.flatMap(({ lines }) => lines), ...document.spans];
  const command = /(?:^|[$&|;(]\s*|\bnpx )larder(?= |$)([^|&;>)`]*)/g;
  return texts.flatMap((text) => [...text.replace(/\s#.*/, "").matchAll(command)].map(([, rest = ""]) => rest.trim()));
}

/** What of a command line larder would not understand; a line without a command is a line of output, or the program's name. */
function faultsOf(line: string): string[] {
  let command: Command = program;
  const faults: string[] = [];
  for (const word of line.split(/\s+/).filter((part) => part !== "")) {
    if (word === "--") break;
    const child: Command | undefined = command.commands.find((one) => one.name() === word);
    if (child !== undefined) command = child;
    else if (word.startsWith("--")) {
      const option = word.replace(/=.*/, "");
      if (!optionsOf(command).includes(option)) faults.push(`larder ${line}: ${option}`);
    } else if (command.commands.length > 0) faults.push(`larder ${line}: ${word}`);
  }
  return faults;
}

function optionsOf(command: Command): string[] {
  return [...command.options.map(({ long }) => long ?? ""), "--help"];
}

function allOptions(command: Command): string[] {
  return [...optionsOf(command), ...command.commands.flatMap(allOptions)];
}
