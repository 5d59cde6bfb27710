import { type EngineCall, readEngineCall } from "../../clients/engine-call.ts";
import { LarderError } from "../../core/errors.ts";
import { shellQuote } from "../../core/shell.ts";
import { giveBaseImage } from "../build/base-image.ts";
import { lintBuilt, readImageId } from "../build/lint.ts";
import { type PreparedCall, type ProxyPlace, prepareCall } from "../build/prepared-call.ts";
import { RunFolder } from "../build/run-folder.ts";
import { findStandingProxy } from "../build/standing-proxy.ts";
import { type ChosenWay, chooseWay } from "../build/way.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { exitCodeOf, runChild, type SignalRelay } from "../session/child.ts";
import { endingWithUs } from "../session/ending-with-us.ts";
import { inSession } from "../session/in-session.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import { describeFindings } from "./image.ts";

/** `larder build -- podman build …`: the engine's exit code is ours; what larder itself has to say goes to stderr. */
export async function build(invocation: Invocation): Promise<number> {
  const call = readEngineCall(invocation.operands);
  if (call === undefined) throw notAnEngine(invocation.operands);
  if (process.platform !== "linux")
    throw new LarderError("USAGE", "larder build works on Linux only: elsewhere engines run in a machine of their own");
  const config = loadConfig(invocation);
  const chosen = await chooseWay(call, invocation.env, readBundlePaths(invocation));
  for (const line of chosen.notes) note(line);
  const asked = { invocation, config, call, chosen };
  if (invocation.flags["print"] === true || invocation.flags["printArgs"] === true) return printCall(asked);
  const name = `${call.engine} ${call.verb.join(" ")}`;
  return inSession(invocation, { config, name, guests: chosen.guests }, async (_, session, signals) => {
    const folder = RunFolder.make(config.settings.root);
    try {
      const prepared = prepare(asked, session, folder);
      const { command, env } = prepared;
      const exitCode = await runChild(endingWithUs(command, env), env, signals);
      for (const fault of folder.faults()) note(fault);
      if (exitCode !== 0) return exitCode;
      return cutShort(asked, prepared, signals) ?? (await lint(asked, prepared, session.trust.caFile));
    } finally {
      folder.remove();
    }
  });
}

/** podman 4.3 ends with 0 when it is told to stop. @returns the exit code of a build that made no image since it was */
function cutShort({ invocation, call }: AskedBuild, { iidFile }: PreparedCall, { received }: SignalRelay) {
  if (received === undefined || call.action !== "build") return undefined;
  const isMade = iidFile !== undefined && readImageId(iidFile, invocation) !== undefined;
  return isMade ? undefined : exitCodeOf(received);
}

/** @throws LarderError `USAGE` for what is no path inside an image */
function readBundlePaths({ flags }: Invocation): string[] {
  const written = flags["bindBundle"];
  const paths = typeof written === "string" ? written.split(",") : [];
  const wrong = paths.find((path) => !/^\/[^:]+$/.test(path));
  if (wrong === undefined) return paths;
  throw new LarderError("USAGE", `--bind-bundle: ${JSON.stringify(wrong)} is no absolute path inside an image`);
}

/** @returns 1 when the image that was built has a trace of larder */
async function lint({ invocation, call }: AskedBuild, { iidFile }: PreparedCall, caFile: string): Promise<number> {
  if (iidFile === undefined || invocation.flags["lint"] === false) return EXIT.ok;
  const traces = await lintBuilt(call, { iidFile, caFile }, invocation);
  if (traces === undefined) note("not looked into for traces: the build left no image in the engine's storage");
  else for (const line of describeFindings(traces)) note(`trace in the image: ${line}`);
  return traces === undefined || traces.length === 0 ? EXIT.ok : EXIT.fault;
}

interface AskedBuild {
  readonly invocation: Invocation;
  readonly config: Config;
  readonly call: EngineCall;
  readonly chosen: ChosenWay;
}

/** For scripts: what is printed goes through the proxy that serves this store, for as long as it does. */
async function printCall(asked: AskedBuild): Promise<number> {
  const { invocation, config, chosen } = asked;
  const place = await findStandingProxy(config, invocation.env, chosen.guests);
  const { command, inserted } = prepare(asked, place, RunFolder.standing(config.settings.root));
  if (invocation.flags["printArgs"] === true) for (const argument of inserted) print(argument);
  else print(command.map(shellQuote).join(" "));
  return EXIT.ok;
}

function prepare({ invocation, config, call, chosen }: AskedBuild, place: ProxyPlace, folder: RunFolder): PreparedCall {
  const { env, flags, workingDir } = invocation;
  const { root: rootDir, baseImage } = config.settings;
  const given = giveBaseImage(call, call.action === "build" ? baseImage : undefined, workingDir);
  if (given.note !== undefined) note(given.note);
  return prepareCall(call, chosen.way, {
    env,
    place,
    folder,
    rootDir,
    bindsDnfConf: flags["dnfConf"] !== false,
    buildArguments: given.buildArguments,
  });
}

function notAnEngine(operands: readonly string[]): LarderError {
  const said = operands.slice(0, 2).join(" ");
  return new LarderError(
    "USAGE",
    `larder build does not know ${JSON.stringify(said)}: it takes podman build, buildah build (or bud), podman run and docker build; see larder build --help`,
  );
}
