import { workerData } from "node:worker_threads";
import { type CopyOrder, copyIndex } from "./copy-index.ts";

copyIndex(workerData as CopyOrder);
