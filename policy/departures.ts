interface Departure {
  /** What larder does. */
  readonly what: string;
  /** What it departs from. */
  readonly section: string;
  readonly reason: string;
}

/**
 * Every knowing departure from RFC 9111, by the id under which the code that departs names it. All of them concern
 * package files and their metadata; *other* resources are served as RFC 9111 has it.
 */
export const DEPARTURES = {
  "stale-package": {
    what: "a stored payload, root or member is served stale when the origin cannot answer, or answers 429, whatever its own directives and the request's say, unless credentials are involved",
    section: "RFC 9111 §4.2.4, §5.2.1.1, §5.2.1.4, §5.2.2.2",
    reason:
      "a build that stops because a mirror is down is worse than one that uses the metadata of an hour ago; what an index names is checked by digest, and apt and pip send max-age=0 with every index by themselves",
  },
  "declared-payload": {
    what: "a payload or member whose digest its repository declares is stored and served whatever its Cache-Control, Vary and age, and whatever the request's",
    section: "RFC 9111 §3, §4",
    reason:
      "bytes that have the declared digest are the right ones, however they came and however old they are; bytes that have not are never served",
  },
  "complete-root": {
    what: "a narinfo is fresh while the nar it names is stored, for a day at most, whatever lifetime its origin states",
    section: "RFC 9111 §4.2.1",
    reason:
      "it says nothing but what the nar is and where it lies, and the nar is here; a closure has thousands of them, and most caches state no lifetime",
  },
  "missing-root": {
    what: "that there is no narinfo, realisation or nix-cache-info (404, 410) is stored without freshness information, fresh for ten seconds at most, and served stale when the origin cannot answer",
    section: "RFC 9111 §3, §3.5, §4.2.1, §4.2.4",
    reason:
      "Nix asks every cache for every path, most of which have few; a path may be there as soon as it is built. It looks for what a cache has not in the next one, and ends when a cache gives an error",
  },
  "package-redirects": {
    what: "redirects of package files are followed here, and the answer stands under the URI that was asked for",
    section: "RFC 9111 §4, RFC 9110 §15.4",
    reason:
      "mirror redirectors and pre-signed URLs lead elsewhere each time; every package would be stored once per place",
  },
  "package-realm": {
    what: "a package file that was fetched with credentials is stored for requests with the same credentials to the same origin, without public, s-maxage or must-revalidate",
    section: "RFC 9111 §3.5",
    reason:
      "the rule keeps a shared cache from answering one user with another's response; a realm that nobody else can enter keeps that promise, and private registries rarely send the directives",
  },
  "package-cookies": {
    what: "Set-Cookie is not stored with a package file, nor with its metadata",
    section: "RFC 9111 §3.1",
    reason:
      "the cookie was one client's (content networks set them on every answer); the next client must not be handed it",
  },
  "own-coding": {
    what: "Accept-Encoding does not select among stored responses where larder itself chose the coding to ask for",
    section: "RFC 9111 §4.1",
    reason:
      "one stored copy in a known coding is re-coded for the client, so that clients with other preferences share it",
  },
} as const satisfies Readonly<Record<string, Departure>>;
