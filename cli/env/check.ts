import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { request } from "node:http";
import { text } from "node:stream/consumers";
import type { ClientAccess } from "../../clients/audience.ts";
import { LarderError, systemCode } from "../../core/errors.ts";

/** A proxy on this machine answers in milliseconds; this is for one that hangs. */
const ANSWER_MS = 3000;

/**
 * Finds out whether the fragments still tell the truth: that larder answers where they say, and that its CA is the one
 * in the files they name. A larder that was killed leaves them behind.
 * @throws LarderError `NOT_RUNNING`, `CA_CHANGED`, `CA_UNREADABLE`
 */
export async function checkAccess({ proxyUrl, caFile, bundleFile }: ClientAccess): Promise<void> {
  const presented = new X509Certificate(await fetchAuthority(proxyUrl));
  for (const file of [caFile, bundleFile]) {
    if (certificatesIn(file).some((block) => new X509Certificate(block).fingerprint256 === presented.fingerprint256))
      continue;
    const cure = "run `larder env write`, and have its clients read the files again";
    throw new LarderError("CA_CHANGED", `${file} does not hold the CA of the larder at ${proxyUrl}; ${cure}`, {
      details: { file, proxyUrl },
    });
  }
}

/** Asked directly, whatever proxy the environment names. */
async function fetchAuthority(proxyUrl: string): Promise<string> {
  try {
    return await new Promise<string>((resolve, reject) => {
      const sent = request(new URL("/ca.pem", proxyUrl), { agent: false, timeout: ANSWER_MS }, (response) => {
        if (response.statusCode === 200) text(response).then(resolve, reject);
        else reject(new Error(`it answers ${response.statusCode}, as no larder does`));
      });
      sent.once("timeout", () => sent.destroy(new Error(`it says nothing for ${ANSWER_MS} ms`)));
      sent.once("error", reject);
      sent.end();
    });
  } catch (cause) {
    const reason = systemCode(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    const cure = "start `larder serve`, or take the stale fragments away with `larder env remove`";
    throw new LarderError("NOT_RUNNING", `no larder at ${proxyUrl}, which env.d names (${reason}); ${cure}`, { cause });
  }
}

function certificatesIn(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  } catch (cause) {
    const reason = systemCode(cause) ?? String(cause);
    throw new LarderError(
      "CA_UNREADABLE",
      `${file}, which env.d names, cannot be read (${reason}); run \`larder env write\``,
      {
        cause,
      },
    );
  }
}
