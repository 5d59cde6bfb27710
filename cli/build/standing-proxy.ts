import { trustFilesIn } from "../../clients/audience.ts";
import { LarderError } from "../../core/errors.ts";
import { findRunning } from "../control/client.ts";
import type { GuestNetwork } from "../control/sessions.ts";
import { trustDirOfStore } from "../serving/trust.ts";
import type { Config } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";
import type { ProxyPlace } from "./prepared-call.ts";

/** The proxy that serves this store, for command lines that are run without us. @throws LarderError `NOT_RUNNING` */
export async function findStandingProxy(
  { settings }: Config,
  env: Environment,
  guests: GuestNetwork | undefined,
): Promise<ProxyPlace> {
  const running = await findRunning(settings.root, env);
  if (running === undefined)
    throw new LarderError("NOT_RUNNING", "what is printed needs a proxy that stays: start larder serve first");
  const { listening } = await running.status();
  const reaches = (host: string) => (url: string) => [host, "0.0.0.0"].includes(new URL(url).hostname);
  const proxyUrl = listening.find(reaches("127.0.0.1"));
  if (proxyUrl === undefined) throw new LarderError("NOT_RUNNING", "the running larder does not listen on 127.0.0.1");
  const onBridge = guests === undefined ? undefined : listening.find(reaches(guests.address));
  if (guests !== undefined && onBridge === undefined) {
    const cure = `--listen ${guests.address}:${new URL(proxyUrl).port} --allow ${guests.network}`;
    throw new LarderError(
      "NOT_RUNNING",
      `containers of this network do not reach the running larder; serve with ${cure}, or build with --network=host`,
    );
  }
  const at = (url: string, host: string) => `http://${host}:${new URL(url).port}`;
  return {
    proxyUrl: at(proxyUrl, "127.0.0.1"),
    guestUrl: onBridge === undefined || guests === undefined ? undefined : at(onBridge, guests.address),
    trust: trustFilesIn(trustDirOfStore(settings.root)),
  };
}
