/**
 * undici describes its whole alone. All of it, with fetch, WebSocket, caches and mocks, takes 60 ms and 8 MB more to
 * load than the two parts that larder is made of.
 */
declare module "undici/lib/dispatcher/agent.js" {
  import { Agent } from "undici";

  export default Agent;
}

declare module "undici/lib/api/api-request.js" {
  import type { Dispatcher } from "undici";

  /** `Dispatcher.request`, which undici's index puts into the prototype. */
  const request: (this: Dispatcher, options: Dispatcher.RequestOptions) => Promise<Dispatcher.ResponseData>;
  export default request;
}
