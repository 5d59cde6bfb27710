import { once } from "node:events";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { bytesHandler } from "../support/files.ts";
import { test } from "../support/fixtures.ts";
import { gitHandler } from "../support/git-server.ts";
import { noise } from "../support/noise.ts";
import { mustRun } from "../support/programs.ts";
import { echoWebSocket } from "../support/web-socket.ts";

const MIB = 1024 * 1024;

describe("through larder", { timeout: 120_000 }, () => {
  test("git pushes and clones over https, as much as it likes", async ({ larder, caFile, folder, secureOrigin }) => {
    const server = join(folder, "server");
    await mkdir(server);
    const work = join(folder, "work");
    const identity = {
      GIT_AUTHOR_NAME: "a",
      GIT_AUTHOR_EMAIL: "a@b",
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@b",
    };
    const env = { ...identity, https_proxy: larder.url, GIT_SSL_CAINFO: caFile };
    const git = (cwd: string, ...args: string[]) => mustRun("git", args, { cwd, env });
    await git(folder, "init", "--bare", "--quiet", "server/repo.git");
    await git(folder, "init", "--quiet", "--initial-branch=main", "work");
    secureOrigin.serve("/repo.git/", gitHandler(server));
    const body = noise("a large file", 24 * MIB);
    await writeFile(join(work, "large"), body);
    await git(work, "add", "large");
    await git(work, "commit", "--quiet", "--message=one");
    await git(work, "push", "--quiet", `${secureOrigin.url}/repo.git`, "main");
    await git(folder, "clone", "--quiet", "--branch=main", `${secureOrigin.url}/repo.git`, "again");
    expect((await readFile(join(folder, "again/large"))).equals(body)).toBe(true);
    expect(larder.logged("exchange").some(({ method, status }) => method === "POST" && status === 200)).toBe(true);
  });

  test("curl, wget, aria2 and Python's requests get the right bytes, and the second of them no byte of the origin", async ({
    larder,
    caFile,
    folder,
    secureOrigin,
  }) => {
    const body = noise("a file", 3 * MIB);
    secureOrigin.serve("/pool/a.deb", bytesHandler(body, { "Cache-Control": "max-age=600" }));
    const url = `${secureOrigin.url}/pool/a.deb`;
    const env = { https_proxy: larder.url, http_proxy: larder.url };
    const clients: readonly (readonly [program: string, args: readonly string[]])[] = [
      ["curl", ["--fail", "--silent", "--cacert", caFile, "--output", "curl", url]],
      ["wget", ["--quiet", `--ca-certificate=${caFile}`, "--output-document=wget", url]],
      [
        "aria2c",
        [
          "--quiet",
          `--ca-certificate=${caFile}`,
          "--split=4",
          "--max-connection-per-server=4",
          "--min-split-size=1M",
          "--out=aria2c",
          url,
        ],
      ],
      [
        "python3",
        ["-c", `import requests; open("python3", "wb").write(requests.get("${url}", verify="${caFile}").content)`],
      ],
    ];
    for (const [program, args] of clients) {
      await mustRun(program, args, { cwd: folder, env });
      expect((await readFile(join(folder, program))).equals(body), program).toBe(true);
      expect(secureOrigin.takeRequests().length > 0, program).toBe(program === "curl");
    }
  });

  test("Node's fetch through undici's ProxyAgent, which tunnels plain http too, and its WebSocket", async ({
    larder,
    folder,
    origin,
  }) => {
    origin.serve("/hello", bytesHandler(Buffer.from("hello"), { "Cache-Control": "max-age=600" }));
    const echo = createServer().on("upgrade", echoWebSocket).listen(0, "127.0.0.1");
    await once(echo, "listening");
    const { port } = echo.address() as AddressInfo;
    const script = `
      const { fetch, ProxyAgent, WebSocket } = require(${JSON.stringify(createRequire(import.meta.url).resolve("undici"))});
      const dispatcher = new ProxyAgent(${JSON.stringify(larder.url)});
      (async () => {
        for (const _ of [1, 2]) {
          const answer = await fetch(${JSON.stringify(`${origin.url}/hello`)}, { dispatcher });
          console.log(await answer.text(), /hit|uri-miss/.exec(answer.headers.get("cache-status"))[0]);
        }
        const socket = new WebSocket("ws://127.0.0.1:${port}/chat", { dispatcher });
        socket.onopen = () => socket.send("to and fro");
        socket.onmessage = ({ data }) => { console.log(data); socket.close(); };
        socket.onclose = () => process.exit();
      })();`;
    const said = await mustRun(process.execPath, ["-e", script], { cwd: folder });
    expect(String(said)).toBe("hello uri-miss\nhello hit\nto and fro\n");
    echo.close().closeAllConnections();
  });
});
