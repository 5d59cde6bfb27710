import type { LookupAddress } from "node:dns";
import { ANY, type Answer, type Question } from "./links.ts";

/** What is announced on one link. */
export interface Announced {
  /** Of this machine, as a person knows it: part of the services' names. */
  readonly machine: string;
  /** Such as `_larder._tcp`, with what its clients are told besides the place (RFC 6763 §6). */
  readonly services: readonly { readonly type: string; readonly text: readonly string[] }[];
  readonly port: number;
  readonly addresses: readonly LookupAddress[];
}

/** RFC 6762 §10: names of hosts change sooner than those of services. */
const HOST_TTL_S = 120;
const SERVICE_TTL_S = 4_500;
const SERVICE_LIST = "_services._dns-sd._udp.local";

/** Of larder itself; `larder resolve` asks for it, too. */
const HOST = "larder";

/**
 * The records that say where a service is (RFC 6763): a list of instances by type, and place, text and addresses of
 * each.
 * @param nth of the names: the first are `larder.local` and `larder on MACHINE`; where others have those, 2 gives
 * `larder-2.local` and so on.
 */
export function recordsOf({ machine, services, port, addresses }: Announced, nth: number): readonly Answer[] {
  const host = `${HOST}${nth === 1 ? "" : `-${nth}`}.local`;
  // A name is one label, of 63 bytes at most; a dot in it would begin another.
  const label = `${HOST} on ${machine.replaceAll(".", "-").slice(0, 40)}${nth === 1 ? "" : ` (${nth})`}`;
  return [
    ...addresses.map(({ address, family }) => ({
      ...{ name: host, type: family === 4 ? ("A" as const) : ("AAAA" as const), data: address },
      ...{ ttl: HOST_TTL_S, flush: true },
    })),
    ...services.flatMap(({ type, text }): Answer[] => {
      const [list, instance] = [`${type}.local`, `${label}.${type}.local`];
      const place = { priority: 0, weight: 0, port, target: host };
      // RFC 6763 §6.1: a text is never empty; one without a word is one empty string.
      const words = (text.length === 0 ? [""] : text).map((word) => Buffer.from(word));
      return [
        { name: SERVICE_LIST, type: "PTR", data: list, ttl: SERVICE_TTL_S },
        { name: list, type: "PTR", data: instance, ttl: SERVICE_TTL_S },
        { name: instance, type: "SRV", data: place, ttl: HOST_TTL_S, flush: true },
        { name: instance, type: "TXT", data: words, ttl: SERVICE_TTL_S, flush: true },
      ];
    }),
  ];
}

/** What a responder says to a question: what was asked for, and what will be asked for next. */
export interface Reply {
  readonly answers: Answer[];
  readonly additionals: Answer[];
}

/** @param known what the asker has already (RFC 6762 §7.1) @returns `undefined` where there is nothing to say */
export function replyTo(
  questions: readonly Question[],
  records: readonly Answer[],
  known: readonly Answer[],
): Reply | undefined {
  const answers = records.filter(
    (record) =>
      questions.some(({ name, type }) => isSameName(name, record.name) && (type === ANY || type === record.type)) &&
      !known.some((one) => isSameRecord(one, record)),
  );
  if (answers.length === 0) return undefined;
  const named = answers.flatMap((record) => (record.type === "PTR" ? [String(record.data)] : []));
  const isNext = (record: Answer): boolean =>
    !answers.includes(record) && (isAddress(record) || named.some((name) => isSameName(name, record.name)));
  return { answers, additionals: records.filter(isNext) };
}

/** Whether a record of somebody else's is about a name that nobody else may have, and says otherwise. */
export function contradicts(theirs: Answer, ours: readonly Answer[], isOwnAddress: (text: string) => boolean): boolean {
  const named = ours.filter((record) => record.type !== "PTR" && isSameName(record.name, theirs.name));
  if (named.length === 0 || named.some((record) => isSameRecord(record, theirs))) return false;
  return !((theirs.type === "A" || theirs.type === "AAAA") && isOwnAddress(theirs.data));
}

/** Which of two that want a name at the same moment gives way: any order does that both agree on (RFC 6762 §8.2). */
export function givesWay(ours: readonly Answer[], theirs: readonly Answer[]): boolean {
  const text = (records: readonly Answer[]): string => records.map(dataOf).sort().join();
  return text(ours.filter((record) => theirs.some(({ name }) => isSameName(name, record.name)))) < text(theirs);
}

export function isSameName(one: string, other: string): boolean {
  const plain = (name: string): string => name.toLowerCase().replace(/\.$/, "");
  return plain(one) === plain(other);
}

function isAddress({ type }: Answer): boolean {
  return type === "A" || type === "AAAA";
}

function isSameRecord(one: Answer, other: Answer): boolean {
  return one.type === other.type && isSameName(one.name, other.name) && dataOf(one) === dataOf(other);
}

function dataOf(record: Answer): string {
  if (record.type === "SRV") return `SRV ${record.data.target.toLowerCase()}:${record.data.port}`;
  if (record.type === "TXT") return `TXT ${[record.data].flat().map(String).join("\n")}`;
  return "data" in record ? `${record.type} ${String(record.data)}` : record.type;
}
