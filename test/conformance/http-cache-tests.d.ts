/** What is used of the npm package, which has no types of its own. */
declare module "http-cache-tests/tests/index.mjs" {
  const suites: readonly import("./results.ts").Suite[];
  export default suites;
}

declare module "http-cache-tests/client/config.mjs" {
  export function setFetch(fetch: (url: string, init?: import("./suite.ts").SuiteRequest) => Promise<unknown>): void;
  export function setBaseUrl(url: string): void;
}

declare module "http-cache-tests/client/test.mjs" {
  /** Resolves when the test has ended, however it ended. */
  export function makeCacheTest(test: import("./results.ts").SuiteTest): Promise<void>;
  export const testResults: import("./results.ts").RawResults;
}

declare module "http-cache-tests/server/handle-config.mjs" {
  const handle: import("./suite.ts").SuiteHandler;
  export default handle;
}

declare module "http-cache-tests/server/handle-state.mjs" {
  const handle: import("./suite.ts").SuiteHandler;
  export default handle;
}

declare module "http-cache-tests/server/handle-test.mjs" {
  const handle: import("./suite.ts").SuiteHandler;
  export default handle;
}
