import xz from "xz-decompress";
import { brokenMetadata } from "../../ecosystems/metadata.ts";
import { unsupported } from "./unsupported.ts";

/** What the numbers in the messages of xz-decompress mean: `enum xz_ret` of XZ Embedded. */
const REASONS: Readonly<Record<string, string>> = {
  3: "it needs too much memory",
  4: "it needs too much memory",
  5: "it is no xz",
  6: "its xz uses an option that larder cannot unpack, such as --check=sha256",
  7: "its xz is corrupt",
  8: "its xz is cut short",
};
const UNSUPPORTED: ReadonlySet<string | undefined> = new Set(["3", "4", "6"]);

/**
 * Unpacks xz, with its checks CRC32 and CRC64.
 * @throws LarderError `METADATA_BROKEN`; also what the source throws.
 */
export async function* decodeXz(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = new xz.XzReadableStream(ReadableStream.from(source)).getReader();
  try {
    for (let step = await reader.read(); !step.done; step = await reader.read()) yield step.value;
  } catch (error) {
    const code = /error code (\d+)/.exec(error instanceof Error ? error.message : "")?.[1];
    const reason = REASONS[code ?? ""];
    if (reason === undefined) throw error;
    throw UNSUPPORTED.has(code) ? unsupported(reason, error) : brokenMetadata(reason, error);
  } finally {
    // xz-decompress lets one stream at a time work: one that was left alone would stop all others for ever.
    await reader.cancel().catch(() => undefined);
  }
}
