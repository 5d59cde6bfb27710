import { LarderError } from "../../core/errors.ts";
import { brokenMetadata } from "../../ecosystems/metadata.ts";

/** What zlib says of a window that it would not give memory for. */
const TOO_LARGE_A_WINDOW = "ZSTD_error_frameParameter_windowTooLarge";

/** As {@link brokenMetadata}, of what may be whole: larder, or this Node, cannot unpack it. */
export function unsupported(reason: string, cause?: unknown): LarderError {
  const { code, message, details } = brokenMetadata(reason);
  return new LarderError(code, message, { details: { ...details, isUnsupported: true }, cause });
}

/** Whether an error of a decoder says nothing about what was to be unpacked. */
export function isUnsupported(error: unknown): boolean {
  if (error instanceof LarderError) return error.details["isUnsupported"] === true;
  return error instanceof Error && "code" in error && error.code === TOO_LARGE_A_WINDOW;
}
