import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createSecureServer } from "node:https";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { listenOnLoopback } from "../support/listen.ts";
import { noise } from "../support/noise.ts";
import { bodyBytes } from "../support/origin.ts";
import { mustRun } from "../support/programs.ts";
import { acceptNpmPublish, isolatedNpm } from "../support/repositories/npm-registry.ts";
import { echoWebSocket } from "../support/web-socket.ts";
import { expectGitPasses } from "./git.ts";

const MIB = 1024 * 1024;

/** How each program is told to download a URL into a file. */
const DOWNLOADS: Readonly<Record<string, (url: string, file: string, caFile: string) => string[]>> = {
  curl: (url, file, caFile) => ["--fail", "--silent", "--cacert", caFile, "--output", file, url],
  wget: (url, file, caFile) => ["--quiet", `--ca-certificate=${caFile}`, `--output-document=${file}`, url],
  aria2c: (url, file, caFile) => [
    ...["--quiet", `--ca-certificate=${caFile}`, `--out=${file}`],
    ...["--split=4", "--max-connection-per-server=4", "--min-split-size=1M", url],
  ],
  python3: (url, file, caFile) => [
    "-c",
    `import requests; open("${file}", "wb").write(requests.get("${url}", verify="${caFile}").content)`,
  ],
};

describe("through larder", () => {
  test("git pushes and clones over https, as much as it likes", async ({ larder, caFile, folder, secureOrigin }) => {
    await expectGitPasses(secureOrigin, { bytes: 24 * MIB, folder, proxy: larder.url, caFile });
    const post = expect.objectContaining({ method: "POST", status: 200 });
    await expect.poll(() => larder.logged("exchange")).toContainEqual(post);
  });

  test.for(Object.keys(DOWNLOADS))(
    "%s gets the right bytes, in plain and by TLS, and the second time no byte of the origin",
    async (program, { larder, caFile, folder, origin, secureOrigin }) => {
      const body = noise("a file", 3 * MIB);
      const env = { https_proxy: larder.url, http_proxy: larder.url };
      for (const from of [origin, secureOrigin]) {
        from.serve("/pool/a.deb", bytesHandler(body, { "Cache-Control": "max-age=600" }));
        for (const time of ["first", "second"]) {
          const file = `${from.scheme}-${time}`;
          await mustRun(program, DOWNLOADS[program]?.(`${from.url}/pool/a.deb`, file, caFile) ?? [], {
            cwd: folder,
            env,
          });
          expect((await readFile(join(folder, file))).equals(body), file).toBe(true);
          expect(bodyBytes(from.takeRequests(), /a\.deb$/), file).toBe(time === "first" ? body.length : 0);
        }
      }
    },
  );

  test("npm publishes, and what larder had stored of the package is not the newest any more", async ({
    larder,
    caFile,
    folder,
    origin,
    secureOrigin,
  }) => {
    for (const registry of [origin, secureOrigin]) {
      const published = acceptNpmPublish(registry);
      const home = join(folder, registry.scheme);
      await mkdir(home);
      const npm = async (args: string[], cwd = home): Promise<string> => {
        const proxy = ["--registry", registry.url, "--proxy", larder.url, "--https-proxy", larder.url];
        return String(await mustRun("npm", [...args, ...proxy, "--cafile", caFile], { cwd, env: isolatedNpm(home) }));
      };
      await writeFile(join(home, "npmrc"), `//${new URL(registry.url).host}/:_authToken=secret\n`);
      const tree = join(home, "tree");
      await mkdir(tree);
      for (const version of ["1.0.0", "1.0.1"]) {
        await writeFile(join(tree, "package.json"), JSON.stringify({ name: "@larder/made", version, license: "MIT" }));
        await npm(["publish", "--access=public"], tree);
        expect(published.at(-1)).toEqual({ name: "@larder/made", token: "Bearer secret" });
        registry.takeRequests();
        for (const cache of ["one", "two"]) {
          const viewed = await npm(["view", "@larder/made", "version", "--cache", join(home, version, cache)]);
          expect(viewed.trim()).toBe(version);
        }
        // The second view is larder's: it had this packument, and no longer the one before.
        expect(registry.takeRequests()).toHaveLength(1);
      }
      const user = join(home, "user");
      await mkdir(user);
      await writeFile(join(user, "package.json"), "{}");
      await npm(["install", "@larder/made@1.0.1"], user);
      expect(await readFile(join(user, "node_modules/@larder/made/package.json"), "utf8")).toContain('"1.0.1"');
    }
  });

  test("Node's fetch through undici's ProxyAgent, which tunnels plain http too, and its WebSocket", async ({
    larder,
    caFile,
    folder,
    authority,
    origin,
    secureOrigin,
  }) => {
    for (const from of [origin, secureOrigin]) {
      from.serve("/hello", bytesHandler(Buffer.from("hello"), { "Cache-Control": "max-age=600" }));
      const server = from === origin ? createServer() : createSecureServer(authority.certificate("good"));
      const echo = server.on("upgrade", echoWebSocket);
      const port = await listenOnLoopback(echo);
      const talk = from === origin ? `ws://127.0.0.1:${port}/chat` : `wss://localhost:${port}/chat`;
      const script = `
        const { fetch, ProxyAgent, WebSocket } = require(${JSON.stringify(createRequire(import.meta.url).resolve("undici"))});
        const ca = require("node:fs").readFileSync(${JSON.stringify(caFile)});
        const dispatcher = new ProxyAgent({ uri: ${JSON.stringify(larder.url)}, requestTls: { ca } });
        (async () => {
          for (const _ of [1, 2]) {
            const answer = await fetch(${JSON.stringify(`${from.url}/hello`)}, { dispatcher });
            console.log(await answer.text(), /hit|uri-miss/.exec(answer.headers.get("cache-status"))[0]);
          }
          const socket = new WebSocket(${JSON.stringify(talk)}, { dispatcher });
          socket.onopen = () => socket.send("to and fro");
          socket.onmessage = ({ data }) => { console.log(data); socket.close(); };
          socket.onclose = () => process.exit();
        })();`;
      const said = await mustRun(process.execPath, ["-e", script], { cwd: folder });
      expect(String(said)).toBe("hello uri-miss\nhello hit\nto and fro\n");
      expect(from.takeRequests()).toHaveLength(1);
      echo.close().closeAllConnections();
    }
  });
});
