import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect } from "vitest";
import type { StatusReport } from "../../../cli/control/status-report.ts";
import type { Receipt } from "../../../storage/store.ts";
import { test } from "../../support/fixtures.ts";
import { PROGRAM, runLarder } from "../../support/larder.ts";
import { startLarderProcess } from "../process.ts";

const RECEIPT_LINE = /^larder: 0 payloads, 0 hits, 0 B from origins, 0 B saved, [\d.]+ s\n$/;

/** A child that says when it is ready and what it is told. */
const PATIENT = "trap 'kill $!; echo told; exit 7' TERM INT HUP QUIT; sleep 600 & echo ready; wait";

describe("larder run passes the exit code through", () => {
  test.for<[command: string, code: number]>([
    ["exit 0", 0],
    ["exit 3", 3],
    ["kill -TERM $$", 128 + 15],
    ["kill -KILL $$", 128 + 9],
  ])("sh -c '%s' → %i", async ([command, code], { folder }) => {
    const outcome = await runLarder(["run", "--", "sh", "-c", command], { folder });
    expect(outcome).toMatchObject({ code, signal: null, stderr: expect.stringMatching(RECEIPT_LINE) });
  });

  test("a command that does not exist: 127 and one line", async ({ folder }) => {
    const outcome = await runLarder(["run", "--", "no-such-command"], { folder });
    expect(outcome).toMatchObject({
      code: 127,
      stderr: "larder: COMMAND_NOT_FOUND: no-such-command: no such command; is it installed and on PATH?\n",
    });
  });

  test("a command that cannot be executed: 126 and one line", async ({ folder }) => {
    await writeFile(join(folder, "script"), "#!/bin/sh\n", { mode: 0o644 });
    const outcome = await runLarder(["run", "--", "./script"], { folder });
    expect(outcome).toMatchObject({
      code: 126,
      stderr: expect.stringMatching(/^larder: COMMAND_NOT_EXECUTABLE: .+\n$/),
    });
  });
});

describe("larder run passes signals through", () => {
  test.for(["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"] as const)(
    "%s reaches the command",
    async (signal, { folder }) => {
      const larder = startLarderProcess(["run", "--", "bash", "-c", PATIENT], { folder });
      await larder.said(/ready/);
      larder.child.kill(signal);
      expect(await larder.ended).toMatchObject({ code: 7, signal: null, stdout: expect.stringMatching(/told\n$/) });
    },
  );

  test("a command that dies of it: 128 + its number", async ({ folder }) => {
    const larder = startLarderProcess(["run", "--", "sh", "-c", "echo ready; exec sleep 600"], { folder });
    await larder.said(/ready/);
    larder.child.kill("SIGINT");
    expect(await larder.ended).toMatchObject({ code: 128 + 2, signal: null });
  });
});

describe("what the command finds", () => {
  test("the base image that was given once, by flag, by variable or in the file", async ({ folder }) => {
    const command = ["--", "sh", "-c", 'echo "$BASE_IMAGE"'];
    const given = await runLarder(["run", "--base-image", "debian:12", ...command], { folder });
    expect(given.stdout.toString()).toBe("debian:12\n");
    const variable = await runLarder(["run", ...command], { folder, env: { LARDER_BASE_IMAGE: "debian:13" } });
    expect(variable.stdout.toString()).toBe("debian:13\n");
    await mkdir(join(folder, "config/larder"), { recursive: true });
    await writeFile(join(folder, "config/larder/larder.toml"), 'baseImage = "debian:11"\n');
    expect((await runLarder(["run", ...command], { folder })).stdout.toString()).toBe("debian:11\n");
  });

  test("both cases of the proxy variables, and CA files that every user may read", async ({ folder }) => {
    const script = [
      '[ "$http_proxy$HTTPS_PROXY" = "$https_proxy$HTTP_PROXY" ] && echo "$http_proxy"',
      'for file in "$SSL_CERT_FILE" "$PIP_CERT" "$NODE_EXTRA_CA_CERTS" "$APT_CONFIG"; do stat -c "%A" "$file"; done',
      'stat -c "%A" "$(dirname "$SSL_CERT_FILE")"',
      'grep -c "$http_proxy" "$APT_CONFIG"',
    ];
    const { stdout } = await runLarder(["run", "--", "sh", "-c", script.join("\n")], { folder });
    const [proxy, ...modes] = stdout.toString().trimEnd().split("\n");
    expect(proxy).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(modes).toEqual([...Array(4).fill("-rw-r--r--"), "drwxr-xr-x", "6"]);
  });

  test("a proxy that answers", async ({ folder }) => {
    const command = "curl -sS --noproxy '*' $http_proxy/healthz";
    const { stdout } = await runLarder(["run", "--", "sh", "-c", command], { folder });
    expect(stdout.toString()).toBe("ok\n");
  });

  test("its own options, also where they are larder's", async ({ folder }) => {
    const { stdout } = await runLarder(["run", "echo", "--help", "--root", "x"], { folder });
    expect(stdout.toString()).toBe("--help --root x\n");
  });
});

describe("what larder run leaves", () => {
  test("no temporary file, however the command ends", async ({ folder }) => {
    const env = { TMPDIR: folder };
    for (const command of ["true", "false", "no-such-command"]) {
      await runLarder(["run", "--", command], { folder, env });
      expect((await readdir(folder)).filter((name) => name.startsWith("larder-run-"))).toEqual([]);
    }
  });

  test("the receipt as JSON, in a file and on stderr where asked for", async ({ folder }) => {
    const args = ["run", "--json", "--receipt", "took.json", "--name", "a build", "--", "true"];
    const { stderr } = await runLarder(args, { folder });
    const receipt = JSON.parse(await readFile(join(folder, "took.json"), "utf8")) as Receipt;
    expect(receipt).toMatchObject({ payloads: 0, hits: 0, requests: 0, bytes: 0, originBytes: 0, savedBytes: 0 });
    expect(JSON.parse(stderr)).toEqual(receipt);
  });
});

describe("larder run beside a larder that serves", () => {
  test("says at once that it was killed, and gives the exit code of the command without a receipt", async ({
    larder,
  }) => {
    const { folder } = larder;
    const run = startLarderProcess(["run", "--", "bash", "-c", PATIENT], { folder });
    await run.said(/ready/);
    await larder.kill();
    await run.logged(/the larder at \S+ has gone/);
    run.child.kill("SIGTERM");
    expect(await run.ended).toMatchObject({ code: 7, stderr: expect.stringMatching(/larder: no receipt: .+\n$/) });
  });
});

describe("several larder run at the same time", () => {
  test("share the proxy of the first, which outlasts its own command for the others", async ({ folder }) => {
    const first = startLarderProcess(["run", "--", "bash", "-c", PATIENT], { folder });
    await first.said(/ready/);
    const second = startLarderProcess(["run", "--", "bash", "-c", PATIENT], { folder });
    await second.said(/ready/);

    first.child.kill("SIGTERM");
    await first.said(/told/);
    const status = await runLarder(["status", "--json"], { folder });
    expect(JSON.parse(status.stdout.toString())).toMatchObject({ running: true, pid: first.child.pid });

    second.child.kill("SIGTERM");
    expect(await second.ended).toMatchObject({ code: 7, stderr: expect.stringMatching(RECEIPT_LINE) });
    expect((await first.ended).stderr).toMatch(/larder: waiting for other commands that use this proxy\n$/);
  });

  test("started at the same moment, all find a proxy", async ({ folder }) => {
    const outcomes = await Promise.all(
      ["a", "b", "c"].map((name) => runLarder(["run", "--", "echo", name], { folder })),
    );
    expect(outcomes.map(({ code, stdout }) => [code, stdout.toString()])).toEqual([
      [0, "a\n"],
      [0, "b\n"],
      [0, "c\n"],
    ]);
  });

  test("one inside the other go through one proxy", async ({ folder }) => {
    const inner = [process.execPath, PROGRAM, "run", "--", process.execPath, PROGRAM, "status", "--json"];
    const { code, stdout } = await runLarder(["run", "--name", "outer", "--", ...inner], { folder });
    expect(code).toBe(0);
    const { sessions } = JSON.parse(stdout.toString()) as StatusReport;
    expect(sessions.map(({ name }) => name)).toEqual(["outer", "node"]);
  });
});
