import { loadOrCreateAuthority } from "../../certs/authority.ts";
import { systemClock } from "../../core/clock.ts";
import type { Invocation } from "../line/invocation.ts";
import { print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig } from "../settings/config.ts";

/** `larder ca show`: looks, but makes nothing; the CA is made at the first start of the proxy. */
export async function showAuthority(invocation: Invocation): Promise<number> {
  const { caCert, caKey } = loadConfig(invocation).settings;
  const nowMs = systemClock();
  const authority = loadOrCreateAuthority({ certFile: caCert, keyFile: caKey, nowMs, create: false });
  const { subject, fingerprint256, chainPem, certFile, keyFile } = authority;
  const notAfter = new Date(authority.notAfterMs).toISOString();
  if (invocation.flags["json"] === true) {
    printJson({ subject, fingerprint256, notAfter, certFile, keyFile, chainPem });
  } else if (invocation.flags["pem"] === true) {
    process.stdout.write(chainPem);
  } else {
    const facts = [
      ["subject", subject],
      ["sha256", fingerprint256],
      ["valid until", notAfter],
      ["certificate", certFile],
      ["key", keyFile],
    ];
    for (const line of tabulate(facts)) print(line);
  }
  return EXIT.ok;
}

/** `larder ca path`: where the certificate is, or will be. */
export async function showAuthorityPath(invocation: Invocation): Promise<number> {
  const { caCert, caKey } = loadConfig(invocation).settings;
  if (invocation.flags["json"] === true) printJson({ certFile: caCert, keyFile: caKey });
  else print(caCert);
  return EXIT.ok;
}
