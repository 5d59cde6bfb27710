import { type ErrorCode, LarderError } from "../../../core/errors.ts";

/** The error's code, or `open`. */
export function outcome(check: () => void): ErrorCode | "open" {
  try {
    check();
    return "open";
  } catch (error) {
    if (error instanceof LarderError) return error.code;
    throw error;
  }
}
