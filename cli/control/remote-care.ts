import { type ClientRequest, type IncomingMessage, request } from "node:http";
import { createInterface } from "node:readline";
import { LarderError } from "../../core/errors.ts";
import type { Watch } from "../../storage/maintenance/keeping.ts";
import { answerTo, failureOf, readFailure } from "./call.ts";
import type { KeepingLine } from "./keeping-desk.ts";
import { CARE_VERBS, type StoreCare } from "./store-care.ts";

/** The care of the larder that answers at the socket: see {@link KeepingDesk}. */
export function remoteCare(socketPath: string): StoreCare {
  const methods = CARE_VERBS.map((verb) => [
    verb,
    async (order: unknown, watch: Watch) => {
      const sent = request({ socketPath, method: "POST", path: `/store/${verb}`, agent: false });
      const answered = answerTo(sent, socketPath);
      sent.write(`${JSON.stringify(order)}\n`);
      return readResult(sent, await answered, watch);
    },
  ]);
  return Object.fromEntries(methods) as StoreCare;
}

async function readResult(sent: ClientRequest, answer: IncomingMessage, watch: Watch): Promise<unknown> {
  if (answer.statusCode !== 200) throw await readFailure(answer);
  const stop = () => void sent.end();
  watch.signal.addEventListener("abort", stop, { once: true });
  if (watch.signal.aborted) stop();
  try {
    for await (const text of createInterface({ input: answer })) {
      const line = JSON.parse(text) as KeepingLine;
      if ("progress" in line) watch.onProgress(line.progress);
      else if ("result" in line) return line.result;
      else throw failureOf(line.error);
    }
  } catch (error) {
    if (error instanceof LarderError) throw error;
    throw endedBefore(error);
  } finally {
    watch.signal.removeEventListener("abort", stop);
    sent.destroy();
  }
  throw endedBefore(undefined);
}

/** It was stopped, which ends its answer, or killed, which cuts it. */
function endedBefore(cause: unknown): LarderError {
  const message = "larder ended before the work was done; what it had done stays done";
  return new LarderError("NOT_RUNNING", message, { cause });
}
