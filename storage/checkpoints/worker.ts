import { parentPort, workerData } from "node:worker_threads";
import { connect } from "../database.ts";
import { unwritable } from "../faults.ts";
import { checkpoint, keepLog } from "./checkpoint.ts";
import type { CheckpointData, Checkpointed } from "./checkpoints.ts";

const { path, busyTimeoutMs } = workerData as CheckpointData;
const db = connect(path, { fileMustExist: true, timeout: busyTimeoutMs });
db.exec("PRAGMA synchronous = NORMAL");
keepLog(db);

function answer(): Checkpointed {
  try {
    return { kind: "moved", isRenewed: checkpoint(db) };
  } catch (error) {
    return { kind: "failed", message: unwritable(`the log of ${path}`, error).message };
  }
}

parentPort?.on("message", () => parentPort?.postMessage(answer()));
