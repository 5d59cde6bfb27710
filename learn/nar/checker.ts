import type { Digest } from "../../core/digest.ts";
import { layoutOf } from "../../storage/layout.ts";
import { TaskThread } from "../../storage/task-thread.ts";
import type { NarTask, NarVerdict } from "./nar.ts";

/** Unpacks stored nars behind the downloads, in a thread of its own with low priority, one at a time. */
export interface NarChecker {
  /** Whether the nar is what the narinfo says that it unpacks to; both are blobs of the store. Never rejects. */
  check(narinfo: Digest, nar: Digest): Promise<NarVerdict>;
  /** Ends the thread; what waits is not checked. */
  close(): Promise<void>;
}

/** Decoders work in some windows' length of memory: 128 MiB at most, most of it outside of the heap. */
const MAX_HEAP_MIB = 256;
/** Nars of gigabytes, by a thread that gives way to all others. */
const MAX_TASK_MS = 60 * 60 * 1000;

/** @param rootDir the folder of the store */
export function createNarChecker(rootDir: string): NarChecker {
  const layout = layoutOf(rootDir);
  const thread = new TaskThread<NarTask, NarVerdict>({
    name: "nar worker",
    module: "./worker",
    callerUrl: import.meta.url,
    maxHeapMib: MAX_HEAP_MIB,
    maxTaskMs: MAX_TASK_MS,
  });
  let last: Promise<unknown> = Promise.resolve();
  let isClosed = false;
  const run = async (task: NarTask): Promise<NarVerdict> => {
    if (isClosed) return { kind: "unchecked", reason: "larder is closing" };
    return await thread.run(task).catch((error: unknown) => ({ kind: "unchecked", reason: String(error) }));
  };
  return {
    check(narinfo, nar) {
      const task = { narinfoFile: layout.blobFile(narinfo), narFile: layout.blobFile(nar) };
      const turn = last.then(() => run(task));
      last = turn;
      return turn;
    },
    async close() {
      isClosed = true;
      await thread.stop();
      await last;
    },
  };
}
