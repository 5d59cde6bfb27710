import { createInterface } from "node:readline";
import { Writable } from "node:stream";
import { LarderError } from "../../core/errors.ts";

/**
 * Asks whoever sits at the terminal for a secret, twice, and shows nothing of what is typed; without a terminal it is
 * the first line of standard input.
 * @throws LarderError `USAGE` when the two differ
 */
export async function readSecret(name: string): Promise<string> {
  if (!process.stdin.isTTY) return await readLine();
  const secret = await typed(`${name}: `);
  if ((await typed(`${name}, again: `)) !== secret) throw new LarderError("USAGE", "the two are not the same");
  return secret;
}

async function readLine(): Promise<string> {
  for await (const line of createInterface({ input: process.stdin })) return line;
  return "";
}

/** readline switches the terminal's own echo off and repeats what is typed on its output: here nowhere. */
async function typed(prompt: string): Promise<string> {
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 });
  process.stderr.write(prompt);
  const line = await new Promise<string>((resolve) => {
    lines.once("line", resolve);
    lines.once("close", () => resolve(""));
    lines.once("SIGINT", () => {
      lines.close();
      process.kill(process.pid, "SIGINT");
    });
  });
  lines.close();
  process.stderr.write("\n");
  return line;
}
