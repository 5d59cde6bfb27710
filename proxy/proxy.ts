import type { Proxy, ProxyDependencies, ProxySettings } from "./settings.ts";

/** Builds the proxy; nothing listens until {@link Proxy.listen}. */
export function createProxy(_dependencies: ProxyDependencies, _settings: ProxySettings): Proxy {
  throw new Error("under construction");
}
