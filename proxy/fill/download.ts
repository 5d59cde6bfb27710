import type { Clock } from "../../core/clock.ts";
import type { Declaration } from "../../core/declaration.ts";
import { LarderError } from "../../core/errors.ts";
import type { Staging } from "../../storage/store.ts";
import { bodyFault } from "../origin/faults.ts";
import { contentLength, type OriginResponse } from "../origin/origin.ts";
import type { CutBody } from "./resume.ts";
import type { Verifier } from "./verify.ts";

/** Where the bytes of a download go, and how more of them are asked for. */
export interface DownloadOptions {
  readonly staging: Staging;
  readonly verifier: Verifier;
  readonly declared: Declaration | undefined;
  readonly authority: string;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Asks for the rest of what was cut; `undefined` when it is not to be had, or not wanted in pieces. */
  readonly askForRest: (cut: CutBody) => Promise<OriginResponse | undefined>;
  /** Called after each chunk has been appended; the next one waits for it. */
  readonly onBytes: () => Promise<void>;
}

/** How often one answer may be cut and continued. */
const MAX_CUTS = 5;
/**
 * An origin that sends less than this in a minute hardly sends: no line is as slow, and dnf gives up at ten times as
 * much.
 */
const MIN_BYTES = 6_000;
const MIN_BYTES_IN_MS = 60_000;

/**
 * Brings an answer's body into staging, at the origin's speed. One that is cut is continued with a range request where
 * the rest can be told to belong to it. Ends early when the body is longer than declared.
 * @throws LarderError `ORIGIN_CUT`, `ORIGIN_BODY_TIMEOUT` …, or `CLIENT_GONE` when the signal aborts.
 */
export async function download(response: OriginResponse, options: DownloadOptions): Promise<void> {
  let answer = response;
  for (let cuts = 0; ; cuts += 1) {
    try {
      await drain(answer, options);
      return checkLength(response, options);
    } catch (error) {
      const fault = faultOf(error, options);
      const rest = cuts < MAX_CUTS && mayBeContinued(fault) ? await restOf(response, options) : undefined;
      if (rest === undefined) throw fault;
      answer = rest;
    }
  }
}

async function drain({ body }: OriginResponse, options: DownloadOptions): Promise<void> {
  const { staging, verifier, onBytes, clock, authority } = options;
  let askedMs = clock();
  let waitedMs = 0;
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    waitedMs += clock() - askedMs;
    bytes += chunk.length;
    if (bytes >= MIN_BYTES) waitedMs = bytes = 0;
    else if (waitedMs > MIN_BYTES_IN_MS)
      throw new LarderError("ORIGIN_BODY_TIMEOUT", `${authority} sent ${bytes} bytes in a minute`);
    verifier.update(chunk);
    await staging.append(chunk);
    await onBytes();
    if (verifier.isTooLong(staging.appendedBytes)) return;
    // What readers and the disk take is not the origin's time.
    askedMs = clock();
  }
}

/**
 * The rest of a cut answer may come without a length of its own, and end too soon. What is declared is checked by its
 * digest.
 */
function checkLength({ head }: OriginResponse, { staging, declared, authority }: DownloadOptions): void {
  const announced = contentLength(head);
  const { appendedBytes } = staging;
  if (declared !== undefined || announced === undefined || announced === appendedBytes) return;
  throw new LarderError("ORIGIN_CUT", `${authority} sent ${appendedBytes} of ${announced} bytes`);
}

function faultOf(error: unknown, { signal, authority }: DownloadOptions): LarderError {
  if (signal.aborted) return new LarderError("CLIENT_GONE", "the fill was cancelled", { cause: error });
  return bodyFault(error, authority);
}

function mayBeContinued({ code }: LarderError): boolean {
  return code === "ORIGIN_CUT" || code === "ORIGIN_BODY_TIMEOUT";
}

/** The rest of a cut answer, or `undefined` when it is not to be had. */
async function restOf({ head }: OriginResponse, options: DownloadOptions): Promise<OriginResponse | undefined> {
  const { staging, declared, askForRest } = options;
  const cut: CutBody = { head, receivedBytes: staging.appendedBytes, declared };
  return cut.receivedBytes === 0 ? undefined : await askForRest(cut);
}
