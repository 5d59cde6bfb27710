import { access, readFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { larderEnvironment } from "../../test/support/larder.ts";
import type { Route } from "../programs/protocol.ts";
import type { Contestant } from "./contestant.ts";

/** The program as it is shipped, after `npm run build`. */
const PROGRAM = resolve(import.meta.dirname, "../../dist/cli/main.js");
const ANNOUNCEMENT = /^larder listening on http:\/\/127\.0\.0\.1:(\d+)$/m;

export const larder: Contestant = larderAt("larder", PROGRAM);

/**
 * A built larder; more than one can take part, to tell what a change has brought.
 * @param program its `dist/cli/main.js`
 */
export function larderAt(name: string, program: string): Contestant {
  return {
    name,
    version: async () => ((await isBuilt(program)) ? `${name}/${await versionOf(program)}` : undefined),
    absence: async () => ((await isBuilt(program)) ? undefined : `${program} is not built; run: npm run build`),
    start: async ({ workbench, authority, folder }) => {
      const more = ["--origin-ca", authority.caFile, "--allow-destination", "127.0.0.0/8"];
      const args = [program, "serve", "--listen", "127.0.0.1:0", ...more];
      const server = workbench.start({ program: process.execPath, args, env: larderEnvironment(folder), folder });
      const port = await server.ready(async () => ANNOUNCEMENT.exec(await server.output())?.[1]);
      const plain: Route = { port: Number(port), form: "absolute" };
      const ca = await readFile(join(folder, "config/larder/ca/ca.pem"), "utf8");
      return { server, routes: { http: plain, https: { ...plain, form: "tunnel", ca } } };
    },
  };
}

async function isBuilt(program: string): Promise<boolean> {
  try {
    await access(program);
    return true;
  } catch {
    return false;
  }
}

async function versionOf(program: string): Promise<string> {
  const text = await readFile(resolve(dirname(program), "../../package.json"), "utf8");
  return (JSON.parse(text) as { readonly version: string }).version;
}
