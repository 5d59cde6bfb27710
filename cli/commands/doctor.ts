import { systemClock } from "../../core/clock.ts";
import { checkContainer, checkEngine } from "../doctor/container-checks.ts";
import type { Finding } from "../doctor/finding.ts";
import { checkLabels, SELINUX_SWITCH } from "../doctor/label-check.ts";
import { checkAuthority, checkDisk, checkFragments, checkProxy } from "../doctor/proxy-checks.ts";
import { checkTrust } from "../doctor/trust-checks.ts";
import type { Invocation } from "../line/invocation.ts";
import { print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";

const MARKS = { good: "ok", note: "note", bad: "BAD" } as const satisfies Readonly<Record<Finding["outcome"], string>>;

/** `larder doctor`: looks at everything a build depends on; exit 1 when something is bad. Changes nothing. */
export async function doctor(invocation: Invocation): Promise<number> {
  const { env, flags } = invocation;
  const config = loadConfig(invocation);
  const findings = [
    ...(await examineProxy(config, env)),
    ...(flags["containers"] === false ? [] : await examineContainers(config, invocation)),
    await checkDisk(config.settings.root),
  ];
  const isHealthy = findings.every(({ outcome }) => outcome !== "bad");
  if (flags["json"] === true) printJson({ isHealthy, findings });
  else for (const line of describe(findings)) print(line);
  return isHealthy ? EXIT.ok : EXIT.fault;
}

async function examineProxy(config: Config, env: Environment): Promise<Finding[]> {
  const { findings, running } = await checkProxy(config, env);
  const { finding, authority } = checkAuthority(config.settings, systemClock());
  const fragments = await checkFragments(config.settings.root, running !== undefined);
  const isRouted = running?.listening.includes(env["https_proxy"] ?? "") === true;
  const trust = authority === undefined ? [] : await checkTrust(authority, env, isRouted);
  return [...findings, fragments, finding, ...trust];
}

async function examineContainers({ settings }: Config, { env, flags }: Invocation): Promise<Finding[]> {
  const { finding, isLocal } = await checkEngine(env);
  const image = typeof flags["image"] === "string" ? flags["image"] : settings.baseImage;
  const reached = isLocal ? [await checkContainer(settings.root, { env, image })] : [];
  return [finding, ...reached, await checkLabels(settings.root, env, SELINUX_SWITCH)];
}

function describe(findings: readonly Finding[]): string[] {
  const rows = findings.flatMap(({ outcome, check, says, cure }) => [
    [MARKS[outcome], check, says],
    ...(cure === undefined ? [] : [["", "", `→ ${cure}`]]),
  ]);
  return tabulate(rows);
}
