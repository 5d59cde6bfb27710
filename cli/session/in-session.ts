import { closeSync, openSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { LarderError } from "../../core/errors.ts";
import type { Receipt } from "../../storage/store.ts";
import type { SessionOptions } from "../control/sessions.ts";
import { unwritable } from "../env/written-file.ts";
import type { Invocation } from "../line/invocation.ts";
import { note } from "../line/output.ts";
import { describeFailure } from "../line/usage.ts";
import type { Config } from "../settings/config.ts";
import { flagOf, SETTING_KEYS, type SettingKey } from "../settings/settings.ts";
import { SignalRelay } from "./child.ts";
import { describeReceipt } from "./receipt.ts";
import { joinOrStart, type RunSession } from "./run-session.ts";

interface CommandSession extends SessionOptions {
  readonly config: Config;
  /** Of the session in the ledger, unless `--name` says another. */
  readonly name: string;
}

/**
 * Carries something out in a session of its own, with signals held for its child; then the receipt follows, on stderr
 * and where `--receipt` wants it.
 * @returns what `carryOut` does, the exit code
 */
export async function inSession(
  invocation: Invocation,
  { config, name, ...options }: CommandSession,
  carryOut: (invocation: Invocation, session: RunSession, signals: SignalRelay) => Promise<number>,
): Promise<number> {
  const { flags, env } = invocation;
  const receiptFile = receiptFileOf(invocation);
  const signals = new SignalRelay();
  const wanted = typeof flags["name"] === "string" ? flags["name"] : name;
  const session = await joinOrStart(config, env, { name: wanted, ...options });
  if (session.isJoined) warnOfIdleFlags(config);
  try {
    const exitCode = await carryOut(invocation, session, signals).finally(() => signals.release());
    const receipt = await endSession(session);
    if (receipt !== undefined) reportReceipt(receipt, { receiptFile, asJson: flags["json"] === true });
    return exitCode;
  } finally {
    await session.close();
  }
}

/** What `run` itself goes by, whoever the proxy is. */
const OWN_KEYS: ReadonlySet<SettingKey> = new Set(["config", "root", "baseImage"]);

/**
 * A running proxy keeps the settings it was started with; flags that wanted others must not fail to have an effect
 * unsaid.
 */
function warnOfIdleFlags({ origins }: Config): void {
  const idle = SETTING_KEYS.filter((key) => origins[key].from === "flag" && !OWN_KEYS.has(key));
  if (idle.length > 0) note(`the running proxy keeps its own settings; without effect: ${idle.map(flagOf).join(" ")}`);
}

/** Where `--receipt` wants it. @throws LarderError `FILE_UNWRITABLE` before the command costs any time */
function receiptFileOf({ flags, workingDir }: Invocation): string | undefined {
  if (typeof flags["receipt"] !== "string") return undefined;
  const file = resolve(workingDir, flags["receipt"]);
  try {
    closeSync(openSync(file, "a"));
  } catch (cause) {
    throw unwritable(file, cause);
  }
  return file;
}

interface ReceiptReport {
  readonly receiptFile: string | undefined;
  readonly asJson: boolean;
}

function reportReceipt(receipt: Receipt, { receiptFile, asJson }: ReceiptReport): void {
  if (asJson) process.stderr.write(`${JSON.stringify(receipt)}\n`);
  else note(describeReceipt(receipt));
  if (receiptFile === undefined) return;
  try {
    writeFileSync(receiptFile, `${JSON.stringify(receipt, undefined, 2)}\n`);
  } catch (cause) {
    note(describeFailure(unwritable(receiptFile, cause)).line);
  }
}

/**
 * The command has had its downloads; that the proxy was stopped meanwhile, as a disk that is full by now, costs the
 * receipt, not the exit code.
 */
async function endSession(session: RunSession): Promise<Receipt | undefined> {
  try {
    return await session.end();
  } catch (error) {
    if (!(error instanceof LarderError) || error.code !== "NOT_RUNNING") throw error;
    note("no receipt: the proxy was stopped before the command ended");
    return undefined;
  }
}
