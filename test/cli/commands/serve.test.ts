import { readdir, readFile, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { test } from "../../support/fixtures.ts";
import { runLarder } from "../../support/larder.ts";
import { listenOnLoopback } from "../../support/listen.ts";
import { mustRun, runProgram } from "../../support/programs.ts";
import { startLarderProcess } from "../process.ts";

const LISTENING = /^larder listening on (http:\/\/127\.0\.0\.1:\d+)$/m;
const SERVE = ["serve", "--listen", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8"];
const STOPPING = /"msg":"stopping"/;

describe("larder serve", () => {
  test("prints one line for each address it listens on, and nothing else on stdout", async ({ folder }) => {
    const larder = startLarderProcess([...SERVE, "--listen", "127.0.0.1:0"], { folder });
    await larder.said(/(^larder listening on .*\n){2}/m);
    larder.child.kill("SIGTERM");
    const { code, stdout } = await larder.ended;
    expect(code).toBe(0);
    expect(stdout).toMatch(/^(larder listening on http:\/\/127\.0\.0\.1:\d+\n){2}$/);
  });

  test("leaves fragments that a shell can source while it runs, and none after", async ({ folder }) => {
    const larder = startLarderProcess(SERVE, { folder });
    const [, url = ""] = await larder.said(LISTENING);
    const env = join(folder, "cache/larder/env.d");
    expect(await readdir(env)).toEqual(["10-proxy.env", "20-ca.env"]);
    const script = 'set -aeu; for f in env.d/*.env; do . "./$f"; done; echo "$https_proxy"; head -1 "$SSL_CERT_FILE"';
    const said = await mustRun("sh", ["-c", script], { cwd: join(folder, "cache/larder") });
    expect(said.toString()).toBe(`${url}\n-----BEGIN CERTIFICATE-----\n`);
    const { stdout } = await runLarder(["proxy-env"], { folder });
    expect(stdout.toString()).toBe(
      (await readFile(join(env, "10-proxy.env"), "utf8")) + (await readFile(join(env, "20-ca.env"), "utf8")),
    );

    larder.child.kill("SIGTERM");
    expect(await larder.ended).toMatchObject({ code: 0 });
    expect(await readdir(env)).toEqual([]);
  });

  test("a port in use: exit 1 and one line that names the address and the cure", async ({ folder }) => {
    const other = createServer();
    const port = await listenOnLoopback(other);
    const address = `127.0.0.1:${port}`;
    const outcome = await runLarder(["serve", "--listen", address], { folder });
    other.close();
    expect(outcome).toMatchObject({ code: 1, stdout: Buffer.alloc(0) });
    expect(outcome.stderr).toMatch(/^larder: LISTEN_FAILED: .*\n$/);
    expect(outcome.stderr).toMatch(new RegExp(`${address}: .*--listen`));
  });

  test("a second one on the same store is refused, and takes nothing from the first", async ({ folder }) => {
    const first = startLarderProcess(SERVE, { folder });
    await first.said(LISTENING);
    const second = await runLarder(SERVE, { folder });
    expect(second.code).toBe(1);
    expect(second.stderr).toMatch(new RegExp(`^larder: STORE_LOCKED: .*process ${first.child.pid}.*\n$`));
    expect((await runLarder(["status"], { folder })).code).toBe(0);
    expect((await runLarder(["proxy-env"], { folder })).stdout.toString()).toContain("http_proxy=");
    first.child.kill("SIGTERM");
    await first.ended;
  });

  test("after a kill the next one takes the place of what was left", async ({ folder }) => {
    const killed = startLarderProcess(SERVE, { folder });
    await killed.said(LISTENING);
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect((await runLarder(["status"], { folder })).code).toBe(1);

    const larder = startLarderProcess(SERVE, { folder });
    const [, url = ""] = await larder.said(LISTENING);
    const status = await runLarder(["status", "--json"], { folder });
    expect(JSON.parse(status.stdout.toString())).toMatchObject({ running: true, listening: [url] });
    larder.child.kill("SIGTERM");
    expect(await larder.ended).toMatchObject({ code: 0 });
  });

  test("its control socket is its user's alone", async ({ folder }) => {
    const larder = startLarderProcess(SERVE, { folder });
    await larder.said(LISTENING);
    const [name = ""] = await readdir(join(folder, "run/larder"));
    expect((await stat(join(folder, "run/larder"))).mode & 0o777).toBe(0o700);
    expect((await stat(join(folder, "run/larder", name))).mode & 0o777).toBe(0o600);
    larder.child.kill("SIGTERM");
    await larder.ended;
    expect(await readdir(join(folder, "run/larder"))).toEqual([]);
  });
});

describe("told to stop", () => {
  const BODY = "0123456789".repeat(1000);

  /** A serve with one download under way: the origin has sent half, and sends the rest when `finish` is called. */
  const serving = test.extend("download", async ({ folder, origin }) => {
    let finish: () => void = () => undefined;
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    origin.serve("/half", async (_request, response) => {
      response.writeHead(200, { "content-length": BODY.length });
      response.write(BODY.slice(0, BODY.length / 2));
      await finished;
      response.end(BODY.slice(BODY.length / 2));
    });
    const larder = startLarderProcess(SERVE, { folder });
    const [, proxy = ""] = await larder.said(LISTENING);
    const arrival = origin.arrival("/half");
    const curl = ["-sS", "--noproxy", "", "--proxy", proxy, `${origin.url}/half`];
    const client = runProgram("curl", curl, { cwd: folder });
    await arrival;
    return { larder, client, finish };
  });

  serving("once, it lets a running download finish", async ({ download: { larder, client, finish } }) => {
    larder.child.kill("SIGTERM");
    await larder.logged(STOPPING);
    finish();
    expect((await client).stdout.toString()).toBe(BODY);
    expect(await larder.ended).toMatchObject({ code: 0, signal: null });
  });

  serving("twice, it ends at once and takes its fragments along", async ({ folder, download: { larder, client } }) => {
    larder.child.kill("SIGTERM");
    await larder.logged(STOPPING);
    larder.child.kill("SIGTERM");
    expect(await larder.ended).toMatchObject({ code: 128 + 15, signal: null });
    expect((await client).code).not.toBe(0);
    expect(await readdir(join(folder, "cache/larder/env.d"))).toEqual([]);
  });
});

describe("beside a running serve", () => {
  test("status, store and why speak through it", async ({ larder, origin, folder }) => {
    origin.serve("/kept", (_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=600" }).end("kept");
    });
    const curl = ["-sS", "--noproxy", "", "--proxy", larder.url, `${origin.url}/kept`];
    await mustRun("curl", curl, { cwd: folder });
    // Both are done when the client has its answer, not before.
    await expect.poll(() => larder.stored("kept")).toHaveLength(1);
    await expect.poll(() => larder.counters()).toMatchObject({ exchanges: 1 });

    const [status, list, usage, why] = await Promise.all([
      larder.command("status", "--json"),
      larder.command("store", "ls", "kept", "--json"),
      larder.command("store", "du", "--json"),
      larder.command("why", `${origin.url}/kept`, "--json"),
    ]);
    const read = ({ stdout }: typeof status): unknown => JSON.parse(stdout.toString());
    expect(read(status)).toMatchObject({
      pid: larder.pid,
      listening: [larder.url],
      counters: { exchanges: 1, fills: 1 },
    });
    expect(read(list)).toMatchObject([{ uri: `${origin.url}/kept`, bytes: 4 }]);
    expect(read(usage)).toMatchObject({ blobs: 1, entries: 1, blobBytes: 4 });
    expect(read(why)).toMatchObject({
      classification: { class: "other" },
      entries: [{ status: 200, bytes: 4 }],
      plan: { action: "serve" },
    });
  });

  test("why tells what is stored in words", async ({ larder, origin }) => {
    const { stdout } = await larder.command("why", `${origin.url}/a/b-1.0.tgz`);
    expect(stdout.toString()).toMatch(/^class +\w+.*\nentry +none\nnow +fetched from the origin .*nothing is stored/m);
  });

  test("why knows the hosts whose TLS is not opened", async ({ larder }) => {
    const { stdout } = await larder.command("why", "https://registry-1.docker.io/v2/", "--json");
    expect(JSON.parse(stdout.toString())).toMatchObject({ plan: { action: "tunnel" }, entries: [] });
  });

  test("run joins it, and says which flags have no effect there", async ({ larder }) => {
    const { code, stdout, stderr } = await larder.command(
      ...["run", "--max-bytes", "1G", "--", "sh", "-c", "echo $http_proxy"],
    );
    expect(code).toBe(0);
    expect(stdout.toString()).toMatch(/^http:\/\/127\.0\.0\.1:\d+\n$/);
    expect(stdout.toString()).not.toBe(`${larder.url}\n`);
    expect(stderr).toMatch(/^larder: the running proxy keeps its own settings; without effect: --max-bytes\n/);
  });
});

describe("without a running serve", () => {
  test("store and why look into the store on disk", async ({ folder, origin }) => {
    origin.serve("/kept", (_request, response) => {
      response.writeHead(200, { "cache-control": "max-age=600" }).end("kept");
    });
    const command = `curl -sS --noproxy '' --proxy $http_proxy ${origin.url}/kept`;
    await runLarder(["run", "--allow-destination", "127.0.0.0/8", "--", "sh", "-c", command], { folder });
    const list = await runLarder(["store", "ls"], { folder });
    expect(list.stdout.toString()).toMatch(new RegExp(`^[0-9a-f]{12}  4 B  \\S+Z  ${origin.url}/kept\n$`));
    const why = await runLarder(["why", `${origin.url}/kept`], { folder });
    expect(why.stdout.toString()).toMatch(/^now +served from the store, no origin asked/m);
  });
});
