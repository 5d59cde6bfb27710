import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect } from "vitest";
import { test } from "../../support/fixtures.ts";
import { larderEnvironment, PROGRAM } from "../../support/larder.ts";
import { cleanEnvironment } from "../../support/programs.ts";

/** Sends larder a SIGINT of its own, then counts what it is told; goes on at each line of input. */
const COUNTING = `
n=0; trap 'n=$((n+1)); echo told' INT
kill -INT $PPID; echo ready; read -r line
echo "$n before Ctrl-C"; read -r line
echo "$n after"
`;
const CTRL_C = "\x03";

test("in a terminal, where Ctrl-C reaches the command of larder run by itself, larder does not send it once more", async ({
  folder,
}) => {
  const command = `exec "${process.execPath}" "${PROGRAM}" run -- bash -c "$COUNTING"`;
  const terminal = spawn("script", ["--quiet", "--return", "--command", command, "/dev/null"], {
    cwd: folder,
    env: cleanEnvironment(folder, { ...larderEnvironment(folder), COUNTING, SHELL: "/bin/sh" }),
    stdio: ["pipe", "pipe", "inherit"],
  });
  const next = new Map([
    ["ready", "go on\n"],
    ["before", CTRL_C],
    ["told", "go on\n"],
  ]);
  let said = "";
  terminal.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
    for (const [cue, input] of next) {
      if (!said.includes(cue)) continue;
      next.delete(cue);
      terminal.stdin.write(input);
    }
  });
  const [code] = await once(terminal, "close");
  expect({ said, code }).toMatchObject({ code: 0, said: expect.stringMatching(/0 before Ctrl-C[\s\S]*1 after/) });
});
