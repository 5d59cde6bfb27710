import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import * as v from "valibot";
import { LarderError } from "../../core/errors.ts";
import type { ClientCertificate, OriginAccess } from "../../policy/access/origin-access.ts";
import { type Directories, resolvePath } from "./directories.ts";
import { KINDS } from "./readers.ts";
import { isTable, refuseUnknownKeys, type TomlTable } from "./toml-table.ts";

/** The tables of `larder.toml` that say how some origins are spoken to: `[origin."HOST"]`. */
export const ORIGIN_KEY = "origin";
const KEYS = ["clientCert", "clientKey", "ca"] as const;

/** One of those tables: a host pattern, and absolute paths of PEM files. */
export interface OriginFiles {
  readonly host: string;
  /** A certificate and its key come together. */
  readonly client: { readonly certFile: string; readonly keyFile: string } | undefined;
  readonly caFile: string | undefined;
}

interface Place {
  readonly fileName: string;
  readonly directories: Directories;
}

/**
 * Reads the tables; the files they name are read when a proxy starts.
 * @param tables what the file has under {@link ORIGIN_KEY}; `undefined` when it has none
 * @throws LarderError `CONFIG_BAD_VALUE` or `CONFIG_UNKNOWN_KEY`, naming the table and the file
 */
export function readOriginTables(tables: unknown, place: Place): readonly OriginFiles[] {
  if (tables === undefined) return [];
  if (!isTable(tables)) throw badValue(ORIGIN_KEY, tables, 'tables that begin with [origin."HOST"]', place);
  return Object.entries(tables).map(([written, table]) => {
    const host = v.safeParse(KINDS.hostPattern.schema({ ...place, baseDir: dirname(place.fileName) }), written);
    if (!host.success) throw badValue(ORIGIN_KEY, written, KINDS.hostPattern.allowed, place);
    if (!isTable(table)) throw badValue(nameOf(written), table, `a table with ${KEYS.join(", ")}`, place);
    return readTable(host.output, table, place);
  });
}

function readTable(host: string, table: TomlTable, place: Place): OriginFiles {
  refuseUnknownKeys(table, KEYS, { name: nameOf(host), fileName: place.fileName });
  const [certFile, keyFile, caFile] = KEYS.map((key) => readPath(host, key, table[key], place));
  if ((certFile === undefined) !== (keyFile === undefined))
    throw badValue(nameOf(host), Object.keys(table), "clientCert and clientKey together", place);
  const client = certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile };
  return { host, client, caFile };
}

function readPath(host: string, key: string, written: unknown, { fileName, directories }: Place): string | undefined {
  if (written === undefined) return undefined;
  if (typeof written === "string" && written !== "") return resolvePath(written, dirname(fileName), directories);
  throw badValue(`${key} of ${nameOf(host)}`, written, "the path of a PEM file", { fileName, directories });
}

/**
 * Reads the files that the tables name.
 * @throws LarderError `CONFIG_BAD_VALUE` for a file that cannot be read or used, and for a key of another certificate.
 */
export function loadOriginAccess(origins: readonly OriginFiles[]): readonly OriginAccess[] {
  return origins.map(({ host, client, caFile }) => ({
    host,
    clientCertificate: client === undefined ? undefined : loadCertificate(host, client),
    roots: caFile === undefined ? undefined : certificatesOf(nameOf(host), caFile),
  }));
}

function loadCertificate(host: string, { certFile, keyFile }: NonNullable<OriginFiles["client"]>): ClientCertificate {
  const certificatePem = certificatesOf(nameOf(host), certFile);
  const keyPem = readText(nameOf(host), keyFile);
  const certificate = new X509Certificate(certificatePem);
  const isPair = useOf(nameOf(host), keyFile, () => certificate.checkPrivateKey(createPrivateKey(keyPem)));
  if (isPair) return { certificatePem, keyPem, fingerprint256: certificate.fingerprint256 };
  throw new LarderError("CONFIG_BAD_VALUE", `${nameOf(host)}: ${keyFile} is not the key of ${certFile}`);
}

function certificatesOf(name: string, file: string): string {
  const pem = readText(name, file);
  useOf(name, file, () => new X509Certificate(pem));
  return pem;
}

function readText(name: string, file: string): string {
  return useOf(name, file, () => readFileSync(file, "utf8"));
}

function useOf<T>(name: string, file: string, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new LarderError("CONFIG_BAD_VALUE", `${name}: ${file} cannot be used (${reason}); name a PEM file that can`, {
      cause,
    });
  }
}

function nameOf(host: string): string {
  return `${ORIGIN_KEY} ${host}`;
}

function badValue(name: string, value: unknown, allowed: string, { fileName }: Place): LarderError {
  const message = `${name} (in ${fileName}) is ${JSON.stringify(value)}; allowed: ${allowed}`;
  return new LarderError("CONFIG_BAD_VALUE", message, { details: { value, fileName } });
}
