import { parentPort, workerData } from "node:worker_threads";
import { openDeclarationWriter } from "../storage/declarations/writer.ts";
import { Learning } from "./learning.ts";
import type { Task } from "./tasks.ts";

/** What the worker is started with. */
export interface WorkerData {
  readonly rootDir: string;
}

const { rootDir } = workerData as WorkerData;
const learning = new Learning(openDeclarationWriter(rootDir));

parentPort?.on("message", (task: Task) => {
  void learning.run(task).then((result) => parentPort?.postMessage(result));
});
