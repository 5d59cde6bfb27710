import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { systemClock } from "../../../core/clock.ts";
import type { Declaration } from "../../../core/declaration.ts";
import { PUBLIC_REALM } from "../../../core/entry.ts";
import { silentLog } from "../../../core/log.ts";
import { parseTarget } from "../../../core/target.ts";
import { AddressRules } from "../../../policy/access/address-rules.ts";
import { fieldsToOrigin } from "../../../policy/forwarding.ts";
import type { FillOrder } from "../../../proxy/fill/fill-order.ts";
import type { FillReader } from "../../../proxy/fill/fill-reader.ts";
import { Fills } from "../../../proxy/fill/fills.ts";
import { connectToOrigins, connectToParents } from "../../../proxy/origin/connect.ts";
import { createDialer } from "../../../proxy/origin/dial.ts";
import { createOrigin, type Origin } from "../../../proxy/origin/origin.ts";
import { createTlsClient } from "../../../proxy/origin/secure.ts";
import { openStore } from "../../../storage/open-store.ts";
import { test as base, NO_PARENTS, SETTINGS } from "../workbench.ts";

interface LeadOptions extends Partial<FillOrder> {
  /** Paths at the same origin that have the same bytes. */
  readonly elsewhere?: readonly string[];
}

/** Fills without an exchange around them: a store, the way to origins, and what leads a fill of a path at the origin. */
export const test = base
  .extend("store", async ({ folder: rootDir }, { onCleanup }) => {
    const store = await openStore({ rootDir, maxBytes: 1024 ** 3, clock: systemClock, log: silentLog });
    onCleanup(async () => {
      await store.close();
      expect(await readdir(join(rootDir, "staging"))).toEqual([]);
    });
    return store;
  })
  .extend("fills", async ({ store }, { onCleanup }) => {
    const wayOut = openWayOut();
    const fills = new Fills({ store, origin: wayOut, clock: systemClock, log: silentLog }, SETTINGS.fillsPerOrigin);
    onCleanup(async () => {
      fills.cancelAll();
      await fills.idle();
      await wayOut.close();
    });
    return fills;
  })
  .extend(
    "entriesOf",
    ({ store, origin }) =>
      (path: string) =>
        store.find(`GET ${origin.url}${path}`),
  )
  .extend("lead", ({ fills, origin }) => (path: string, declared?: Declaration, options: LeadOptions = {}) => {
    const { elsewhere = [], ...order } = options;
    const [target, ...others] = [path, ...elsewhere].map((one) => parseTarget(`${origin.url}${one}`));
    if (target === undefined) throw new TypeError("there is no path");
    return fills.lead(`GET ${target.uri}`, { ...orderFor(target, others), declared, ...order });
  });

function openWayOut(): Origin {
  const addresses = new AddressRules({ ...SETTINGS, ownAddresses: [] });
  const dialer = createDialer({ addresses, isOwnListener: () => false });
  const secure = createTlsClient(SETTINGS);
  const connect = connectToOrigins({ dialer, secure, settings: SETTINGS, parents: NO_PARENTS });
  const links = { connect, connectToParents: connectToParents(secure, SETTINGS), parents: NO_PARENTS };
  return createOrigin(links, SETTINGS);
}

function orderFor(target: ReturnType<typeof parseTarget>, others: readonly (typeof target)[]): FillOrder {
  const request = { method: "GET", target, fields: [], record: {}, realm: PUBLIC_REALM, sharedRealm: PUBLIC_REALM };
  const sent = { pseudonym: SETTINGS.pseudonym, coding: "identity", whole: true } as const;
  return {
    request,
    key: `GET ${target.uri}`,
    context: { class: "payload", coding: "identity", rootFreshForMs: 0 },
    entry: undefined,
    declared: undefined,
    sources: [target, ...others].map((place) => ({
      target: place,
      fieldsToOrigin: () => fieldsToOrigin({ ...request, target: place }, sent),
    })),
  };
}

/** What a repository says of the body. */
export function declare(body: Buffer, over: Partial<Declaration> = {}): Declaration {
  const digest = createHash("sha256").update(body).digest("hex");
  return { algorithm: "sha256", digest, bytes: body.length, ...over };
}

export async function readAll(reader: FillReader): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let chunk = await reader.next(); chunk !== undefined; chunk = await reader.next()) chunks.push(chunk);
  reader.close();
  return Buffer.concat(chunks);
}

/** Reads until the fill fails; @returns what came out before. */
export async function readUntilFault(reader: FillReader): Promise<{ bytes: number; code: unknown }> {
  try {
    for (;;) await reader.next();
  } catch (error) {
    return { bytes: reader.position, code: (error as { code?: unknown }).code };
  } finally {
    reader.close();
  }
}
