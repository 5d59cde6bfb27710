import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { type NarFacts, readNarFacts } from "../../ecosystems/nix/nar-facts.ts";
import { NAR_DECODERS } from "../unpack/decoders.ts";
import { isUnsupported } from "../unpack/unsupported.ts";

/** A stored nar, and the stored narinfo that says what it unpacks to. */
export interface NarTask {
  readonly narinfoFile: string;
  readonly narFile: string;
}

/** Whether a nar unpacks to what its narinfo says. */
export type NarVerdict =
  | { readonly kind: "right" }
  | { readonly kind: "wrong"; readonly algorithm: string; readonly declared: string; readonly received: string }
  /** Nobody can tell: it is packed as larder cannot unpack, or one of the two is gone. */
  | { readonly kind: "unchecked"; readonly reason: string };

const READ_BYTES = 256 * 1024;

/** Unpacks the nar and hashes what comes of it, in bounded memory. Never rejects. */
export async function checkNar({ narinfoFile, narFile }: NarTask): Promise<NarVerdict> {
  try {
    const facts = readNarFacts(await readFile(narinfoFile));
    const decode = NAR_DECODERS.get(facts.compression);
    if (decode === undefined) return unchecked(`it is packed with ${facts.compression}`);
    return await hold(decode(createReadStream(narFile, { highWaterMark: READ_BYTES })), facts);
  } catch (error) {
    return unchecked(error instanceof Error ? error.message : String(error));
  }
}

async function hold(unpacked: AsyncIterable<Uint8Array>, { algorithm, digest, bytes }: NarFacts): Promise<NarVerdict> {
  const wrong = (received: string): NarVerdict => ({ kind: "wrong", algorithm, declared: digest, received });
  const hash = createHash(algorithm);
  let unpackedBytes = 0;
  try {
    for await (const chunk of unpacked) {
      unpackedBytes += chunk.length;
      if (bytes !== undefined && unpackedBytes > bytes) return wrong(`more than ${bytes} bytes`);
      hash.update(chunk);
    }
  } catch (error) {
    // What the system cannot read, and larder cannot unpack, may be right.
    if (isUnsupported(error) || (error instanceof Error && "syscall" in error)) throw error;
    return wrong(`what cannot be unpacked (${error instanceof Error ? error.message : String(error)})`);
  }
  const received = hash.digest("hex");
  return received === digest ? { kind: "right" } : wrong(received);
}

function unchecked(reason: string): NarVerdict {
  return { kind: "unchecked", reason };
}
