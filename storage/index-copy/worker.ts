import { constants, setPriority } from "node:os";
import { workerData } from "node:worker_threads";
import { type CopyOrder, copyIndex } from "./copy-index.ts";

// On Linux a priority is the thread's own (setpriority(2), NOTES): downloads go first where cores are few.
if (process.platform === "linux") setPriority(constants.priority.PRIORITY_LOW);
copyIndex(workerData as CopyOrder);
