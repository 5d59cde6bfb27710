import { existsSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { request } from "node:http";
import { type Authority, loadOrCreateAuthority } from "../../certs/authority.ts";
import { accessOnHost } from "../../clients/audience.ts";
import { readEnvText } from "../../clients/env-text.ts";
import { findRunning } from "../control/client.ts";
import type { StatusReport } from "../control/status-report.ts";
import { checkAccess } from "../env/check.ts";
import { loopbackFor, readFragments } from "../env/fragments.ts";
import { formatBytes } from "../line/output.ts";
import type { Config } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";
import { bad, badBy, type Finding, good, note } from "./finding.ts";

const ANSWER_MS = 3000;
const SOON_MS = 30 * 24 * 60 * 60 * 1000;
/** Less is used up by one build; the store then passes everything through. */
const MIN_FREE_BYTES = 1024 ** 3;

/** The larder that serves this store, and whether it answers where it listens. */
export async function checkProxy(
  { settings }: Config,
  env: Environment,
): Promise<{ readonly findings: readonly Finding[]; readonly running: StatusReport | undefined }> {
  try {
    const running = await (await findRunning(settings.root, env))?.status();
    if (running === undefined) {
      return {
        findings: [bad("proxy", `no larder serves ${settings.root}`, "start one with `larder serve`")],
        running,
      };
    }
    const findings = running.listening.map(async (url) =>
      (await isAnswering(loopbackFor(url)))
        ? good("proxy", `larder ${running.version}, process ${running.pid}, answers at ${url}`)
        : bad("proxy", `process ${running.pid} does not answer at ${url}`, "look into its log, and start it again"),
    );
    return { findings: await Promise.all(findings), running };
  } catch (error) {
    return { findings: [badBy("proxy", error)], running: undefined };
  }
}

function isAnswering(url: string): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request(new URL("/healthz", url), { agent: false, timeout: ANSWER_MS }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    sent.once("timeout", () => sent.destroy());
    sent.once("error", () => resolve(false));
    sent.once("close", () => resolve(false));
    sent.end();
  });
}

/** The fragments that recipes source, against the larder that they name. */
export async function checkFragments(root: string, isRunning: boolean): Promise<Finding> {
  try {
    const text = readFragments(root);
    if (text === "" && !isRunning) return note("fragments", "none, for nothing runs: recipes build without a proxy");
    const access = accessOnHost(readEnvText(text));
    if (access === undefined) return bad("fragments", "env.d names no proxy", "run `larder env write`");
    await checkAccess(access);
    return good("fragments", `env.d names ${access.proxyUrl}, and the CA that it presents`);
  } catch (error) {
    return badBy("fragments", error);
  }
}

/** The authority itself: there, private, matching, and valid for a while. */
export function checkAuthority(
  { caCert: certFile, caKey: keyFile }: Pick<Config["settings"], "caCert" | "caKey">,
  nowMs: number,
): { readonly finding: Finding; readonly authority: Authority | undefined } {
  try {
    if (![certFile, keyFile].some((file) => existsSync(file)))
      return { finding: note("CA", "none yet: it is made when larder first starts"), authority: undefined };
    const authority = loadOrCreateAuthority({ certFile, keyFile, nowMs, create: false });
    const until = new Date(authority.notAfterMs).toISOString().slice(0, 10);
    const says = `${authority.subject}, valid until ${until}`;
    const cure = `bring another in time, or remove ${certFile} and ${keyFile} to have a new one made`;
    const isEnding = authority.notAfterMs - nowMs < SOON_MS;
    return { finding: isEnding ? note("CA", says, cure) : good("CA", says), authority };
  } catch (error) {
    return { finding: badBy("CA", error), authority: undefined };
  }
}

export async function checkDisk(root: string): Promise<Finding> {
  try {
    const { bavail, bsize } = await statfs(root);
    const says = `${formatBytes(bavail * bsize)} free for ${root}`;
    if (bavail * bsize >= MIN_FREE_BYTES) return good("disk", says);
    return bad("disk", says, "free space, run `larder store gc`, or move the store with --root");
  } catch {
    return note("disk", `${root} is not there yet`);
  }
}
