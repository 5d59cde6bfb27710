import { Worker, type WorkerOptions } from "node:worker_threads";

/**
 * Starts a thread on a module. Beside its caller lies what was compiled from the module's source, or, in development
 * and tests, the source itself. Node 20 cannot read that; a loader given by `--import` is not used for the first module
 * of a worker, so it is registered before.
 * @param module its path without an extension, relative to the caller
 * @param callerUrl `import.meta.url` of the caller
 */
export function startThread(module: string, callerUrl: string, options: WorkerOptions): Worker {
  if (!callerUrl.endsWith(".ts")) return new Worker(new URL(`${module}.js`, callerUrl), options);
  const urls = [import.meta.resolve("tsx/esm/api"), new URL(`${module}.ts`, callerUrl).href];
  const [loader, source] = urls.map((url) => JSON.stringify(url));
  const start = `import(${loader}).then((tsx) => tsx.register()).then(() => import(${source}))`;
  return new Worker(start, { ...options, eval: true });
}
