/**
 * A pattern over whole URIs: `**` stands for any text, `*` for any text without a slash, everything else for itself (a
 * `?` begins a query, a `[` an address, so neither can mean anything else here). Scheme and host are compared in lower
 * case, as stored URIs have them.
 */
export interface UriPattern {
  readonly text: string;
  matches(uri: string): boolean;
}

export function parseUriPattern(text: string): UriPattern {
  const tokens = tokensOf(text.replace(/^[^/]*:\/\/[^/]*/, (origin) => origin.toLowerCase()));
  return { text, matches: (uri) => isMatch(tokens, uri) };
}

/** One character that stands for itself, or one of the stars. */
type Token = string;
const STAR: Token = "*";
const DOUBLE_STAR: Token = "**";

function tokensOf(pattern: string): readonly Token[] {
  return pattern.match(/\*{2,}|[\s\S]/g)?.map((token) => (token.startsWith(DOUBLE_STAR) ? DOUBLE_STAR : token)) ?? [];
}

/**
 * Reads the URI once, and keeps every place of the pattern that what was read may have led to: the time grows with the
 * product of both lengths at most, whatever the pattern, where a regular expression may try without end.
 */
function isMatch(tokens: readonly Token[], uri: string): boolean {
  let places = new Set<number>();
  arriveAt(0, places, tokens);
  for (let at = 0; at < uri.length && places.size > 0; at++) {
    const next = new Set<number>();
    for (const place of places) {
      const token = tokens[place];
      if (token === DOUBLE_STAR || (token === STAR && uri[at] !== "/")) arriveAt(place, next, tokens);
      else if (token !== STAR && token === uri[at]) arriveAt(place + 1, next, tokens);
    }
    places = next;
  }
  return places.has(tokens.length);
}

/** A star may also stand for nothing, so whoever is before one is behind it, too. */
function arriveAt(place: number, places: Set<number>, tokens: readonly Token[]): void {
  places.add(place);
  if (tokens[place] === STAR || tokens[place] === DOUBLE_STAR) arriveAt(place + 1, places, tokens);
}
