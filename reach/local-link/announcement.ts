import { setTimeout as sleep } from "node:timers/promises";
import type { MulticastDNS, QueryPacket, ResponsePacket } from "multicast-dns";
import type { Log } from "../../core/log.ts";
import { ANY, type Answer, type Link } from "./links.ts";
import { type Announced, contradicts, givesWay, type Reply, recordsOf, replyTo } from "./records.ts";

/** RFC 6762 §8.1: three questions, a quarter of a second apart, whether somebody has the names already. */
const PROBES = 3;
const PROBE_INTERVAL_MS = 250;
/** RFC 6762 §8.3: said twice, for datagrams are lost. */
const ANNOUNCEMENTS = 2;
const ANNOUNCEMENT_INTERVAL_MS = 1_000;
const MDNS_PORT = 5353;
/** RFC 6762 §6.7: how long one who asks like any other client of DNS may keep an answer. */
const LEGACY_TTL_S = 10;
/** Names that are tried before it is given up. */
const MAX_NAMES = 20;

export interface AnnouncementOptions {
  readonly announced: Omit<Announced, "addresses">;
  /** Whether an address is of this machine, whatever the link. */
  readonly isOwnAddress: (address: string) => boolean;
  readonly log: Log;
}

/**
 * Says on one link where larder is, until it is closed (RFC 6762, RFC 6763): names are probed first, questions
 * answered.
 */
export class Announcement {
  readonly #link: Link;
  readonly #options: AnnouncementOptions;
  readonly #socket: MulticastDNS;
  readonly #end = new AbortController();
  #records: readonly Answer[] = [];
  #isClaimed = false;
  #isContradicted = false;

  constructor(link: Link, options: AnnouncementOptions) {
    this.#link = link;
    this.#options = options;
    this.#socket = link.open();
    const warn = (error: Error): void => options.log.warn({ reason: error.message }, "the local link is not told");
    this.#socket.on("error", warn);
    this.#socket.on("warning", () => undefined);
    this.#socket.on("query", (query, from) => this.#onQuery(query, from));
    this.#socket.on("response", (response, from) => this.#onResponse(response, from));
    void this.#run().catch(warn);
  }

  /** Takes back what was said, so that nobody looks for it here any more. */
  async close(): Promise<void> {
    this.#end.abort();
    if (this.#isClaimed) await this.#say(this.#records.map((record) => asAnswer(record, { ttl: 0, flush: true })));
    await new Promise<void>((resolve) => this.#socket.destroy(() => resolve()));
  }

  /** Claims names, and others whenever somebody else turns out to have them. */
  async #run(): Promise<void> {
    const { signal } = this.#end;
    const { announced, log } = this.#options;
    for (let nth = 1; nth <= MAX_NAMES && !signal.aborted; nth += 1) {
      this.#records = recordsOf({ ...announced, addresses: this.#link.addresses }, nth);
      this.#isContradicted = false;
      if (!(await this.#isFree())) continue;
      this.#isClaimed = true;
      const names = this.#records.flatMap(({ name, type }) => (type === "SRV" || type === "A" ? [name] : []));
      log.info({ names, addresses: this.#link.addresses.map(({ address }) => address) }, "announced on the local link");
      for (let n = 0; n < ANNOUNCEMENTS && !this.#isContradicted && !signal.aborted; n += 1) {
        await this.#say([...this.#records]);
        await this.#pause(ANNOUNCEMENT_INTERVAL_MS);
      }
      while (!this.#isContradicted && !signal.aborted) await this.#pause(ANNOUNCEMENT_INTERVAL_MS);
      this.#isClaimed = false;
    }
  }

  async #isFree(): Promise<boolean> {
    const claims = this.#records.filter(({ type }) => type !== "PTR");
    const questions = [...new Set(claims.map(({ name }) => name))].map((name) => ({ name, type: ANY }));
    const authorities = claims.map((record) => asAnswer(record, {}));
    // Machines that a power cut starts again together do not all ask at the same moment.
    await this.#pause(Math.random() * PROBE_INTERVAL_MS);
    for (let n = 0; n < PROBES && !this.#isContradicted; n += 1) {
      this.#socket.query({ questions, authorities });
      await this.#pause(PROBE_INTERVAL_MS);
    }
    return !this.#isContradicted && !this.#end.signal.aborted;
  }

  #onQuery({ id, questions = [], answers = [], authorities = [] }: QueryPacket, from: Sender): void {
    if (!this.#link.carries(from.address)) return;
    const { isOwnAddress } = this.#options;
    const rivals = authorities.filter((record) => contradicts(record, this.#records, isOwnAddress));
    if (!this.#isClaimed && rivals.length > 0 && givesWay(this.#records, authorities)) this.#isContradicted = true;
    const reply = this.#isClaimed ? replyTo(questions, this.#records, answers) : undefined;
    if (reply === undefined) return;
    if (from.port === MDNS_PORT) this.#socket.respond(reply);
    else this.#socket.respond({ id, questions, ...asLegacy(reply) }, from);
  }

  #onResponse({ answers = [], additionals = [] }: ResponsePacket, from: Sender): void {
    if (!this.#link.carries(from.address)) return;
    const { isOwnAddress } = this.#options;
    if ([...answers, ...additionals].some((record) => contradicts(record, this.#records, isOwnAddress)))
      this.#isContradicted = true;
  }

  #say(answers: Answer[]): Promise<void> {
    return new Promise((resolve) => this.#socket.respond({ answers }, undefined, () => resolve()));
  }

  async #pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.#end.signal }).catch(() => undefined);
  }
}

type Sender = { readonly address: string; readonly port: number };

function asLegacy({ answers, additionals }: Reply): Reply {
  const plain = (records: readonly Answer[]): Answer[] => records.map((one) => asAnswer(one, { ttl: LEGACY_TTL_S }));
  return { answers: plain(answers), additionals: plain(additionals) };
}

/** The record with another lifetime; `flush` makes a unique one displace what others have heard before. */
function asAnswer(record: Answer, { ttl, flush = false }: { readonly ttl?: number; readonly flush?: boolean }): Answer {
  if (!("data" in record)) return record;
  return { ...record, flush: flush && record.type !== "PTR", ttl: ttl ?? record.ttl ?? 0 };
}
