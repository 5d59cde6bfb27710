import { constants, setPriority } from "node:os";
import { parentPort } from "node:worker_threads";
import { checkNar, type NarTask } from "./nar.ts";

// Of this thread alone (setpriority(2) with pid 0): whoever waits for a download goes first.
setPriority(0, constants.priority.PRIORITY_LOW);

parentPort?.on("message", (task: NarTask) => {
  void checkNar(task).then((verdict) => parentPort?.postMessage(verdict));
});
