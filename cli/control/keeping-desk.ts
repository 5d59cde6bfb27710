import type { IncomingMessage, ServerResponse } from "node:http";
import { createInterface } from "node:readline";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { Progress, Watch } from "../../storage/maintenance/keeping.ts";
import { CARE_VERBS, type CareVerb, type StoreCare } from "./store-care.ts";

/** One line of the answer to an order, as JSON: any number of the first kind, then one of the others. */
export type KeepingLine =
  | { readonly progress: Progress }
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };

/**
 * Takes the orders of other commands in a running larder: `POST /store/<verb>`. The body is the order as one line of
 * JSON, and stays open for as long as its sender has patience; the answer is one {@link KeepingLine} after the other.
 * When the body ends, or the sender goes away, the work ends after the batch under way.
 */
export class KeepingDesk {
  readonly #care: StoreCare;
  readonly #running = new Map<AbortController, Promise<void>>();

  constructor(care: StoreCare) {
    this.#care = care;
  }

  /** @throws LarderError `NOT_FOUND` for what is no verb */
  async take(verb: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const known = CARE_VERBS.find((name) => name === verb);
    if (known === undefined) throw new LarderError("NOT_FOUND", `nobody can ${JSON.stringify(verb)} a store`);
    const patience = new AbortController();
    const impatient = () => patience.abort();
    const lines = createInterface({ input: request }).once("close", impatient);
    response.once("close", impatient);
    const { value: order = "{}" } = (await lines[Symbol.asyncIterator]().next()) as { readonly value?: string };
    const work = this.#carryOut(known, JSON.parse(order), response, patience.signal);
    this.#running.set(patience, work);
    await work.finally(() => this.#running.delete(patience));
  }

  /** Ends what is under way; each sender is told how far it came. */
  async close(): Promise<void> {
    for (const patience of this.#running.keys()) patience.abort();
    await Promise.all(this.#running.values());
  }

  async #carryOut(verb: CareVerb, order: unknown, response: ServerResponse, signal: AbortSignal): Promise<void> {
    const say = (line: KeepingLine) => response.write(`${JSON.stringify(line)}\n`);
    response.writeHead(200, { "content-type": "application/x-ndjson" });
    const watch: Watch = {
      signal,
      // Whoever reads too slowly misses some.
      onProgress: (progress) => void (response.writableNeedDrain || say({ progress })),
    };
    try {
      // Both ends are the same program: what comes over this socket is what remote-care.ts typed.
      const carryOut = this.#care[verb].bind(this.#care) as (order: unknown, watch: Watch) => Promise<unknown>;
      say({ result: await carryOut(order, watch) });
    } catch (error) {
      const { code, message } = toLarderError(error);
      say({ error: { code, message } });
    }
    response.end();
  }
}
