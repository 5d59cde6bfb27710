/** Host patterns are `host`, `*.suffix`, or have `*` within a label (`*.dkr.ecr.*.amazonaws.com`). */

/** What {@link exactnessOf} says of a pattern that does not match. */
export const UNNAMED = -1;

/**
 * `UNNAMED` when the pattern does not match, `Infinity` for the host itself, else the number of characters it spells
 * out.
 */
export function exactnessOf(written: string, host: string): number {
  const pattern = written.toLowerCase();
  if (pattern === host) return Number.POSITIVE_INFINITY;
  if (!pattern.includes("*")) return UNNAMED;
  const wanted = pattern.split(".").reverse();
  const labels = host.split(".").reverse();
  const isOpenEnded = wanted.at(-1) === "*";
  if (isOpenEnded ? labels.length < wanted.length : labels.length !== wanted.length) return UNNAMED;
  return wanted.every((glob, i) => isLabelLike(labels[i] as string, glob))
    ? pattern.replaceAll("*", "").length
    : UNNAMED;
}

function isLabelLike(label: string, glob: string): boolean {
  const star = glob.indexOf("*");
  if (star < 0) return label === glob;
  const [before, after] = [glob.slice(0, star), glob.slice(star + 1)];
  return label.length >= before.length + after.length && label.startsWith(before) && label.endsWith(after);
}

/** Whether one of the patterns names the host. @param host in lower case */
export function isNamed(patterns: readonly string[], host: string): boolean {
  return patterns.some((pattern) => exactnessOf(pattern, host) !== UNNAMED);
}
