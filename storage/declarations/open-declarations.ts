import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { keepLog } from "../checkpoints/checkpoint.ts";
import { openDatabase, openDatabaseForReading } from "../database.ts";
import type { DeclarationIndex } from "../declarations.ts";
import { layoutOf } from "../layout.ts";
import { beginRelearning, openReplaceable } from "../lost-index.ts";
import { indexFile } from "../schema.ts";
import { LocalDeclarations } from "./local-declarations.ts";
import type { MayDelegate } from "./other-places.ts";
import { declarationsFile } from "./schema.ts";

export interface DeclarationsOptions {
  readonly rootDir: string;
  readonly mayDelegate: MayDelegate;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * Opens the declarations beside a store, making them if there are none. Damaged ones are set aside. What is not
 * there is to be learnt again from what is stored: learn/relearn.ts.
 * The caller has opened the store: its lock makes this process the one writer.
 * @throws LarderError `STORE_NEWER`, `STORE_UNREADABLE` or `STORE_UNWRITABLE`
 */
export function openDeclarations({ rootDir, mayDelegate, clock, log }: DeclarationsOptions): DeclarationIndex {
  const layout = layoutOf(rootDir);
  const index = openDatabase(indexFile(layout));
  keepLog(index);
  try {
    return openReplaceable(declarationsFile(layout), { clock, log }, (db) => {
      const declarations = new LocalDeclarations({ db, index, mayDelegate, log });
      if (declarations.isEmpty()) beginRelearning(layout);
      return declarations;
    });
  } catch (error) {
    index.close();
    throw error;
  }
}

/** What commands may ask while no larder, or another process, writes. */
export type DeclarationReader = Pick<DeclarationIndex, "find" | "findBlob" | "alternateUris" | "counts" | "close">;

/** Opens existing declarations without changing anything. @throws LarderError as {@link openDeclarations} */
export function openDeclarationsForReading({
  rootDir,
  mayDelegate,
  log,
}: Omit<DeclarationsOptions, "clock">): DeclarationReader {
  const layout = layoutOf(rootDir);
  const index = openDatabaseForReading(indexFile(layout));
  try {
    return new LocalDeclarations({ db: openDatabaseForReading(declarationsFile(layout)), index, mayDelegate, log });
  } catch (error) {
    index.close();
    throw error;
  }
}
