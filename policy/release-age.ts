/** A release, as its index tells of it. */
export interface Release {
  readonly name: string | undefined;
  readonly version: string | undefined;
  readonly publishedMs: number | undefined;
}

export interface ReleaseAgeRules {
  /** 0: any age will do. */
  readonly minReleaseAgeMs: number;
  /** Names that may be of any age; `*` stands for any part. */
  readonly minReleaseAgeAllow: readonly string[];
}

/**
 * A release that was published a moment ago is what a stolen account publishes: most of those are found within days.
 */
export function isTooYoung({ name, publishedMs }: Release, rules: ReleaseAgeRules, nowMs: number): boolean {
  const { minReleaseAgeMs, minReleaseAgeAllow } = rules;
  if (minReleaseAgeMs === 0 || publishedMs === undefined || nowMs - publishedMs >= minReleaseAgeMs) return false;
  return name === undefined || !minReleaseAgeAllow.some((pattern) => isNamedBy(pattern, name));
}

function isNamedBy(pattern: string, name: string): boolean {
  const parts = pattern.toLowerCase().split("*");
  const text = name.toLowerCase();
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first) || !text.endsWith(last) || text.length < first.length + last.length) return false;
  let at = first.length;
  for (const part of rest) {
    const found = text.indexOf(part, at);
    if (found < 0 || found + part.length > text.length - last.length) return false;
    at = found + part.length;
  }
  return true;
}
