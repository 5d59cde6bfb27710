import type { ClientRequest, IncomingMessage } from "node:http";
import { json } from "node:stream/consumers";
import { ERROR_CODES, type ErrorCode, LarderError, systemCode } from "../../core/errors.ts";

/** Resolves with the head of the answer to a request over the control socket. @throws LarderError `NOT_RUNNING` */
export function answerTo(sent: ClientRequest, socketPath: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    sent.once("response", resolve);
    // Later ones mean that larder has gone: reading the answer says so.
    sent.on("error", (cause) => {
      const reason = systemCode(cause) ?? cause.message;
      reject(new LarderError("NOT_RUNNING", `no larder answers at ${socketPath} (${reason})`, { cause }));
    });
  });
}

/** The error that an answer with another status than 200 carries. */
export async function readFailure(response: IncomingMessage): Promise<LarderError> {
  return failureOf((await json(response)) as { readonly code: string; readonly message: string });
}

/** An error as the other end wrote it. */
export function failureOf({ code, message }: { readonly code: string; readonly message: string }): LarderError {
  return new LarderError(code in ERROR_CODES ? (code as ErrorCode) : "INTERNAL", message);
}
