#!/usr/bin/env node
import { mindBrokenOutput, note } from "./line/output.ts";
import { runProgram } from "./line/program.ts";
import { describeFailure } from "./line/usage.ts";

mindBrokenOutput();
try {
  process.exitCode = await runProgram(process.argv.slice(2), { env: process.env, workingDir: process.cwd() });
} catch (error) {
  const { line, exitCode } = describeFailure(error);
  note(line);
  process.exitCode = exitCode;
}
