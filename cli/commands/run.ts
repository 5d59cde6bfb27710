import { writeFileSync } from "node:fs";
import { basename, resolve } from "node:path";
import { renderAptConf } from "../../clients/apt.ts";
import { BASE_IMAGE } from "../../clients/base-image.ts";
import { proxyVariables, trustVariables } from "../../clients/environment.ts";
import { LarderError } from "../../core/errors.ts";
import type { Receipt } from "../../storage/store.ts";
import { runChild, SignalRelay } from "../child.ts";
import { type Config, loadConfig } from "../config.ts";
import type { Environment } from "../directories.ts";
import { type Handover, writeHandover } from "../handover.ts";
import type { Invocation } from "../invocation.ts";
import { note } from "../output.ts";
import { describeReceipt } from "../receipt.ts";
import { joinOrStart, type RunSession } from "../run-session.ts";
import { flagOf, SETTING_KEYS, type SettingKey } from "../settings.ts";

/** `larder run -- CMD…`: the command's exit code is ours; what larder itself has to say goes to stderr. */
export async function run(invocation: Invocation): Promise<number> {
  const config = loadConfig(invocation);
  const [program = ""] = invocation.operands;
  const signals = new SignalRelay();
  const name = typeof invocation.flags["name"] === "string" ? invocation.flags["name"] : basename(program);
  const session = await joinOrStart(config, invocation.env, name);
  if (session.isJoined) warnOfIdleFlags(config);
  try {
    const exitCode = await runInSession(
      { ...invocation, env: withBaseImage(config, invocation.env) },
      session,
      signals,
    );
    await reportReceipt(invocation, session);
    return exitCode;
  } finally {
    await session.close();
  }
}

async function runInSession({ env, operands }: Invocation, session: RunSession, signals: SignalRelay): Promise<number> {
  const handover = writeHandover(session.trust, ({ bundleFile }) => renderAptConf({ ...session, bundleFile }));
  try {
    return await runChild(operands, childEnvironment(env, session, handover), signals);
  } finally {
    handover.remove();
    signals.release();
  }
}

/** Given once, the image is the same for whatever the command builds or starts. */
function withBaseImage({ settings: { baseImage } }: Config, env: Environment): Environment {
  return baseImage === undefined ? env : { ...env, [BASE_IMAGE]: baseImage };
}

function childEnvironment(env: Environment, { proxyUrl }: RunSession, handover: Handover): Environment {
  return {
    ...env,
    ...proxyVariables({ proxyUrl }),
    ...trustVariables(handover),
    APT_CONFIG: handover.aptConfFile,
  };
}

/** What `run` itself goes by, whoever the proxy is. */
const OWN_KEYS: ReadonlySet<SettingKey> = new Set(["config", "root", "baseImage"]);

/** A running proxy keeps the settings it was started with; flags that wanted others must not fail to have an effect unsaid. */
function warnOfIdleFlags({ origins }: Config): void {
  const idle = SETTING_KEYS.filter((key) => origins[key].from === "flag" && !OWN_KEYS.has(key));
  if (idle.length > 0) note(`the running proxy keeps its own settings; without effect: ${idle.map(flagOf).join(" ")}`);
}

async function reportReceipt({ flags, workingDir }: Invocation, session: RunSession): Promise<void> {
  const receipt = await endSession(session);
  if (receipt === undefined) return;
  if (typeof flags["receipt"] === "string") {
    writeFileSync(resolve(workingDir, flags["receipt"]), `${JSON.stringify(receipt, undefined, 2)}\n`);
  }
  if (flags["json"] === true) process.stderr.write(`${JSON.stringify(receipt)}\n`);
  else note(describeReceipt(receipt));
}

/** The command has had its downloads; that the proxy was stopped meanwhile costs the receipt, not the exit code. */
async function endSession(session: RunSession): Promise<Receipt | undefined> {
  try {
    return await session.end();
  } catch (error) {
    if (!(error instanceof LarderError) || error.code !== "NOT_RUNNING") throw error;
    note("no receipt: the proxy was stopped before the command ended");
    return undefined;
  }
}
