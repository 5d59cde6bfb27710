/** What became of a signature check. */
export type SignatureVerdict =
  /** `signers` are the fingerprints of the primary keys that signed it, in upper-case hex. */
  | { readonly kind: "good"; readonly signers: readonly string[] }
  /** `reason` is a clause that tells what is wrong. */
  | { readonly kind: "bad"; readonly reason: string };

/** What gpgv says of a signature that is not good, worst first. @see GnuPG doc/DETAILS, "General status codes" */
const FAULTS: readonly (readonly [string, (key: string) => string])[] = [
  ["BADSIG", (key) => `its text is not what key ${key} signed`],
  ["REVKEYSIG", (key) => `key ${key}, which signed it, is revoked`],
  ["EXPKEYSIG", (key) => `key ${key}, which signed it, has expired`],
  ["EXPSIG", (key) => `the signature of key ${key} has expired`],
  ["NO_PUBKEY", (key) => `key ${key}, which signed it, is not in the keyrings`],
  ["ERRSIG", (key) => `the signature of key ${key} cannot be checked, or is by a weak digest`],
];
const PREFIX = "[GNUPG:] ";

/**
 * Reads gpgv's status lines. Its exit code is no answer: 0 for a key that has expired, 2 where one of several signers
 * is not in the keyring (Debian signs by three keys). As apt has it, one good signature is enough unless another is
 * wrong.
 */
export function readGpgvStatus(status: string): SignatureVerdict {
  const signers: string[] = [];
  const faults = new Map<string, string>();
  let isGood = false;
  for (const line of status.split("\n")) {
    if (!line.startsWith(PREFIX)) continue;
    const [keyword = "", ...words] = line.slice(PREFIX.length).split(" ");
    // VALIDSIG follows what is said of the signature, also where its key has expired.
    if (keyword === "VALIDSIG" && isGood) signers.push(words[9] ?? words[0] ?? "");
    else if (keyword === "GOODSIG") isGood = true;
    else if (beginsAnother(keyword)) isGood = false;
    if (!faults.has(keyword)) faults.set(keyword, words[0] ?? "");
  }
  if (signers.length > 0 && !faults.has("BADSIG")) return { kind: "good", signers };
  const worst = FAULTS.find(([keyword]) => faults.has(keyword));
  return { kind: "bad", reason: worst?.[1](faults.get(worst[0]) ?? "") ?? "there is no signature that gpgv can read" };
}

/** Whether what is said of the signature before ends here. */
function beginsAnother(keyword: string): boolean {
  return keyword === "NEWSIG" || FAULTS.some(([fault]) => fault === keyword);
}
