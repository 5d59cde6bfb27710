import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { LarderError } from "../../core/errors.ts";
import type { Receipt } from "../../storage/store.ts";
import type { Invocation } from "../line/invocation.ts";
import { note } from "../line/output.ts";
import type { Config } from "../settings/config.ts";
import { flagOf, SETTING_KEYS, type SettingKey } from "../settings/settings.ts";
import { SignalRelay } from "./child.ts";
import { describeReceipt } from "./receipt.ts";
import { joinOrStart, type RunSession } from "./run-session.ts";
import type { SessionOptions } from "./sessions.ts";

interface CommandSession extends SessionOptions {
  readonly config: Config;
  /** Of the session in the ledger, unless `--name` says another. */
  readonly name: string;
}

/**
 * Carries something out in a session of its own, with signals held for its child; then the receipt follows, on stderr and
 * where `--receipt` wants it.
 * @returns what `carryOut` does, the exit code
 */
export async function inSession(
  invocation: Invocation,
  { config, name, ...options }: CommandSession,
  carryOut: (invocation: Invocation, session: RunSession, signals: SignalRelay) => Promise<number>,
): Promise<number> {
  const { flags, env } = invocation;
  const signals = new SignalRelay();
  const wanted = typeof flags["name"] === "string" ? flags["name"] : name;
  const session = await joinOrStart(config, env, { name: wanted, ...options });
  if (session.isJoined) warnOfIdleFlags(config);
  try {
    const exitCode = await carryOut(invocation, session, signals).finally(() => signals.release());
    await reportReceipt(invocation, session);
    return exitCode;
  } finally {
    await session.close();
  }
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
