import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { mustRun } from "./programs.ts";

/** What is wrong with an origin's certificate, if anything. */
export type CertificateKind = "good" | "expired" | "self-signed" | "wrong-name";

/** A certificate and its key, in PEM, as node:tls takes them. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** A certificate authority of the tests' own, made by openssl, and the certificates of the origins it vouches for. */
export interface Authority {
  /** The file to hand to `--origin-ca`. */
  readonly caFile: string;
  readonly caPem: string;
  certificate(kind: CertificateKind): KeyPair;
}

/** The last is the public cache of Nix, which a test has in a network of its own. */
const NAMES = "subjectAltName=DNS:localhost,DNS:*.larder.test,IP:127.0.0.1,IP:::1,DNS:cache.nixos.org";
const OTHER_NAMES = "subjectAltName=DNS:elsewhere.larder.invalid";
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

/** Makes the authority and one certificate of each kind in an empty folder that is there. */
export async function createAuthority(folder: string): Promise<Authority> {
  const openssl = (...args: string[]) => mustRun("openssl", args, { cwd: folder });
  const root = ["-subj", "/CN=larder test origins", "-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  await openssl("req", "-x509", ...NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", ...root);

  const issue = async (kind: CertificateKind, names: string, days: string): Promise<KeyPair> => {
    await openssl("req", ...NEW_KEY, "-keyout", `${kind}.key`, "-out", `${kind}.csr`, "-subj", `/CN=${kind}`);
    await writeFile(join(folder, `${kind}.ext`), `${names}\n`);
    const signed = ["-CA", "ca.pem", "-CAkey", "ca.key", "-extfile", `${kind}.ext`, "-days", days];
    await openssl("x509", "-req", "-in", `${kind}.csr`, ...signed, "-out", `${kind}.pem`);
    return readPair(folder, kind);
  };
  const self = ["-subj", "/CN=self-signed", "-addext", NAMES, "-days", "2"];
  await openssl("req", "-x509", ...NEW_KEY, "-keyout", "self-signed.key", "-out", "self-signed.pem", ...self);

  const pairs: Readonly<Record<CertificateKind, KeyPair>> = {
    good: await issue("good", NAMES, "2"),
    expired: await issue("expired", NAMES, "-1"),
    "self-signed": await readPair(folder, "self-signed"),
    "wrong-name": await issue("wrong-name", OTHER_NAMES, "2"),
  };
  const caFile = join(folder, "ca.pem");
  return { caFile, caPem: await readFile(caFile, "utf8"), certificate: (kind) => pairs[kind] };
}

async function readPair(folder: string, name: string): Promise<KeyPair> {
  const read = (extension: string) => readFile(join(folder, `${name}.${extension}`), "utf8");
  return { cert: await read("pem"), key: await read("key") };
}
