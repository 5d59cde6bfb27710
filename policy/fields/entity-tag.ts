/**
 * Tags of a list; opaque text may hold commas (RFC 9110 §8.8.3). What is sent without quotes is taken for a tag as
 * well.
 */
const TAG = /(?:W\/)?"[^"]*"|[^\s,"][^\s,]*/g;

/** The tags of an If-Match or If-None-Match value, which is not `*`. */
export function entityTags(value: string): readonly string[] {
  return value.match(TAG) ?? [];
}

export function isWeak(tag: string): boolean {
  return tag.startsWith("W/");
}

/** Strong comparison: both strong and alike (RFC 9110 §8.8.3.2). */
export function isStrongMatch(one: string, other: string): boolean {
  return one === other && !isWeak(one);
}

/** Weak comparison: alike, weak or not (RFC 9110 §8.8.3.2). */
export function isWeakMatch(one: string, other: string): boolean {
  return withoutWeakness(one) === withoutWeakness(other);
}

function withoutWeakness(tag: string): string {
  return isWeak(tag) ? tag.slice(2) : tag;
}
