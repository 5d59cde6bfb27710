import type { LookupAddress } from "node:dns";
import type { MulticastDNS, ResponsePacket } from "multicast-dns";
import type { HostPort } from "../../core/target.ts";
import { type Answer, linksOf, type Question } from "./links.ts";
import { isSameName } from "./records.ts";

/**
 * Questions on the local link (RFC 6762): answers may come from anybody there, so nothing is trusted because of them.
 */
export interface LocalLink {
  /** Addresses of a `.local` name; empty when nobody has answered by the time the signal aborts. */
  addressesOf(name: string, signal: AbortSignal): Promise<readonly LookupAddress[]>;
  /** The first instance of a service such as `_larder._tcp.local` (RFC 6763); `undefined` when none has answered. */
  serviceOf(type: string, signal: AbortSignal): Promise<HostPort | undefined>;
}

/** How often a question is put again: datagrams are lost. */
const REPEAT_MS = 700;

/**
 * @param openSockets on every link of this machine, as it is when a question is put; a test gives a socket of its own.
 */
export function createLocalLink(
  openSockets = (): readonly MulticastDNS[] => linksOf().map((link) => link.open()),
): LocalLink {
  return {
    addressesOf: async (name, signal) => {
      const questions = [
        { name, type: "A" as const },
        { name, type: "AAAA" as const },
      ];
      return (await ask({ openSockets, signal }, questions, (answers) => nonEmpty(addressesIn(answers, name)))) ?? [];
    },
    serviceOf: (type, signal) =>
      ask({ openSockets, signal }, [{ name: type, type: "PTR" }], (answers) => serviceIn(answers, type)),
  };
}

interface Asking {
  readonly openSockets: () => readonly MulticastDNS[];
  readonly signal: AbortSignal;
}

/** @param read `undefined` while the answers so far do not say what was asked for */
function ask<T>(
  { openSockets, signal }: Asking,
  questions: Question[],
  read: (answers: readonly Answer[]) => T | undefined,
): Promise<T | undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve(undefined);
    const sockets = openSockets();
    const heard: Answer[] = [];
    const put = (): void => {
      for (const socket of sockets) socket.query(questions);
    };
    const repeat = setInterval(put, REPEAT_MS);
    const end = (found?: T): void => {
      clearInterval(repeat);
      signal.removeEventListener("abort", giveUp);
      for (const socket of sockets) socket.destroy();
      resolve(found);
    };
    const giveUp = (): void => end();
    signal.addEventListener("abort", giveUp, { once: true });
    for (const socket of sockets) {
      // Another responder that owns the port alone, or a link without multicast: then nobody is found there.
      socket.on("error", () => undefined);
      socket.on("warning", () => undefined);
      socket.on("response", ({ answers = [], additionals = [] }: ResponsePacket) => {
        heard.push(...answers, ...additionals);
        const found = read(heard);
        if (found !== undefined) end(found);
      });
    }
    if (sockets.length === 0) end();
    else put();
  });
}

function addressesIn(answers: readonly Answer[], name: string): LookupAddress[] {
  return answers.flatMap((answer) => {
    if ((answer.type !== "A" && answer.type !== "AAAA") || !isSameName(answer.name, name)) return [];
    return [{ address: answer.data, family: answer.type === "A" ? 4 : 6 }];
  });
}

/** The address that came along with the service, else its name. */
function serviceIn(answers: readonly Answer[], type: string): HostPort | undefined {
  const instances = answers.flatMap((answer) =>
    answer.type === "PTR" && isSameName(answer.name, type) ? [answer.data] : [],
  );
  const service = answers.find(
    (answer) => answer.type === "SRV" && instances.some((instance) => isSameName(instance, answer.name)),
  );
  if (service?.type !== "SRV") return undefined;
  const { target, port } = service.data;
  const [first] = addressesIn(answers, target);
  return first === undefined ? undefined : { host: first.address, port };
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length === 0 ? undefined : list;
}
