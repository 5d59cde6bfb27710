import { dirname } from "node:path";
import {
  type Audience,
  accessOnHost,
  type ClientAccess,
  DOCKER_CONTAINER,
  PODMAN_CONTAINER,
  readAudience,
} from "../../clients/audience.ts";
import { readEnvText } from "../../clients/env-text.ts";
import { FORMATS, type FormatName } from "../../clients/formats/formats.ts";
import { LarderError } from "../../core/errors.ts";
import { shellQuote } from "../../core/shell.ts";
import { checkAccess } from "../env/check.ts";
import { readFragments } from "../env/fragments.ts";
import { firstClosedFolder } from "../env/readable.ts";
import type { Invocation } from "../line/invocation.ts";
import { note } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";

/**
 * `larder proxy-env`: the fragments on disk, verbatim, or what a tool wants to read in their place. No network but for
 * `--check`, no proxy loaded. Without fragments it prints nothing and still succeeds, so that a recipe which evaluates it
 * builds without a proxy, too; with `--check` it then fails, as it does when they no longer hold.
 */
export async function proxyEnv(invocation: Invocation): Promise<number> {
  const { flags } = invocation;
  const { root } = loadConfig(invocation).settings;
  const format = readFormat(flags["format"]);
  const audience = flags["for"] === undefined ? undefined : readAudience(String(flags["for"]));
  const trustDir = typeof flags["trustDir"] === "string" ? flags["trustDir"] : undefined;
  const fragments = readFragments(root);
  if (fragments === "") {
    note(`no proxy serves ${root}; start one with \`larder serve\``);
    return flags["check"] === true ? EXIT.fault : EXIT.ok;
  }
  if (flags["check"] === true) await checkAccess(readAccess(fragments));
  if (format === undefined && audience === undefined) process.stdout.write(fragments);
  else printFormat(readAccess(fragments), { format: format ?? "env", wanted: audience, trustDir });
  return EXIT.ok;
}

interface Wanted {
  readonly format: FormatName;
  readonly wanted: Audience | undefined;
  readonly trustDir: string | undefined;
}

function printFormat(onHost: ClientAccess, { format, wanted, trustDir }: Wanted): void {
  const audience = audienceOf(format, wanted);
  process.stdout.write(FORMATS[format]({ onHost, audience, trustDir }));
  if (format === "apt" && audience.kind === "host" && trustDir === undefined) warnOfClosedFolder(onHost);
}

/**
 * Arguments of an engine are for a container unless something else is said, under the name that its engine gives the
 * host.
 */
function audienceOf(format: FormatName, wanted: Audience | undefined): Audience {
  const isContainer = wanted === undefined || wanted.kind === "container";
  if (format === "docker" && isContainer) return DOCKER_CONTAINER;
  if (format === "podman" && isContainer) return PODMAN_CONTAINER;
  return wanted ?? { kind: "host" };
}

function readAccess(fragments: string): ClientAccess {
  const access = accessOnHost(readEnvText(fragments));
  if (access !== undefined) return access;
  const message = "the fragments in env.d name no proxy or no trust files; run `larder env write`";
  throw new LarderError("CONFIG_BAD_VALUE", message);
}

function readFormat(written: unknown): FormatName | undefined {
  if (written === undefined || (typeof written === "string" && isFormat(written))) return written;
  const allowed = Object.keys(FORMATS).join(", ");
  throw new LarderError("USAGE", `--format is ${JSON.stringify(written)}; allowed: ${allowed}`);
}

function isFormat(name: string): name is FormatName {
  return Object.hasOwn(FORMATS, name);
}

/**
 * The store is its user's alone, and so is a home; apt then finds no script, and goes to the origins without a word.
 */
function warnOfClosedFolder({ bundleFile }: ClientAccess): void {
  const closed = firstClosedFolder(bundleFile);
  if (closed === undefined) return;
  const copy = `cp -rT ${shellQuote(dirname(bundleFile))} /etc/larder`;
  note(`apt downloads as _apt, which may not enter ${closed}; run \`${copy}\` and add --trust-dir /etc/larder here`);
}
