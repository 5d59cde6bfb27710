import { LarderError } from "../../core/errors.ts";
import { isTooYoung, type ReleaseAgeRules } from "../../policy/release-age.ts";
import type { DeclaredResource } from "../../storage/declarations.ts";

const HOUR_MS = 60 * 60 * 1000;
const DAY_MS = 24 * HOUR_MS;

/** Only what is installed has an age: metadata may tell of any release. @throws LarderError `RELEASE_TOO_YOUNG` */
export function checkAge(resource: DeclaredResource, rules: ReleaseAgeRules, nowMs: number): void {
  const { kind, name, version, publishedMs, base, path } = resource;
  if (kind !== "payload" || publishedMs === undefined || !isTooYoung(resource, rules, nowMs)) return;
  const release = name === undefined ? base + path : [name, version].filter((part) => part !== undefined).join(" ");
  const cure =
    name === undefined ? "lower --min-release-age" : `wait, or allow it with --min-release-age-allow ${name}`;
  throw new LarderError(
    "RELEASE_TOO_YOUNG",
    `${release} was published ${ageOf(nowMs - publishedMs)} ago (${new Date(publishedMs).toISOString()}), and what is younger than ${ageOf(rules.minReleaseAgeMs)} is refused; ${cure}`,
    { details: { name, version, publishedMs } },
  );
}

function ageOf(ms: number): string {
  const isDays = ms >= DAY_MS;
  const count = Math.max(0, Math.floor(ms / (isDays ? DAY_MS : HOUR_MS)));
  return `${count} ${isDays ? "day" : "hour"}${count === 1 ? "" : "s"}`;
}
