// Prints the closing line of .ci/run from the report of vitest's JSON reporter; fails when a test failed or was not run.
import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = report;
const brokenFiles = testResults.filter((file) => file.status === "failed" && file.assertionResults.length === 0);
for (const { name, message } of brokenFiles) process.stdout.write(`could not run ${name}: ${message}\n`);

const notRun = numPendingTests + numTodoTests;
if (notRun > 0) process.stdout.write(`${notRun} tests were skipped; here every test must run\n`);

const failed = numFailedTests + brokenFiles.length;
process.stdout.write(`${numPassedTests} passed, ${failed} failed\n`);
if (failed > 0 || notRun > 0 || numPassedTests === 0) process.exitCode = 1;
