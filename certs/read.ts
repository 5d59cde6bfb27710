import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { LarderError } from "../core/errors.ts";
import { certificateBlocks } from "./pem.ts";

/**
 * Reads every certificate of a PEM file, in order.
 * @throws LarderError `CA_UNREADABLE` when the file cannot be read, holds none, or holds one that is damaged.
 */
export function readCertificates(file: string): X509Certificate[] {
  const blocks = certificateBlocks(readText(file));
  if (blocks.length === 0) throw unreadable(file, "holds no PEM certificate");
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw unreadable(file, `holds a damaged certificate (number ${i + 1})`, error);
    }
  });
}

/** @throws LarderError `CA_UNREADABLE` */
function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (error) {
    throw unreadable(file, "cannot be read", error);
  }
}

/** @param what the second half of a sentence that begins with the file's name */
export function unreadable(file: string, what: string, cause?: unknown): LarderError {
  const reason = cause instanceof Error ? ` (${cause.message})` : "";
  const message = `${file} ${what}${reason}; name a readable PEM file or mend this one`;
  return new LarderError("CA_UNREADABLE", message, { details: { file }, cause });
}
