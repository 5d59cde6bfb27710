import { randomBytes } from "node:crypto";
import { closeSync, fchmodSync, fsyncSync, linkSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { LarderError, systemCode } from "../core/errors.ts";
import { makeFolder } from "../core/folder.ts";

interface FileToWrite {
  readonly file: string;
  readonly text: string;
  /** Permission bits, whatever the umask says. */
  readonly mode: number;
}

/**
 * Puts a whole file in place of whatever stood there; readers see the old one or the new one.
 * @throws LarderError `CA_UNWRITABLE`
 */
export function replaceFile(target: FileToWrite): void {
  writeBeside(target, (written) => renameSync(written, target.file));
}

/**
 * Puts a whole file where none is yet. A file that another process put there first is left as it is: `link` fails where
 * `rename` would replace it.
 * @throws LarderError `CA_UNWRITABLE`
 */
export function publishOnce(target: FileToWrite): void {
  writeBeside(target, (written) => {
    try {
      linkSync(written, target.file);
    } catch (error) {
      if (systemCode(error) !== "EEXIST") throw error;
    }
  });
}

/** Makes the folder and its parents. @throws LarderError `CA_UNWRITABLE` */
export function makeFolderOfCa(folder: string, mode: number): void {
  orUnwritable(folder, () => makeFolder(folder, mode));
}

/** Write, fsync, publish, fsync the folder: what stands after a crash is all of the file or none of it. */
function writeBeside({ file, text, mode }: FileToWrite, publish: (written: string) => void): void {
  orUnwritable(file, () => {
    const written = `${file}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      withOpen(written, "wx", (fd) => {
        fchmodSync(fd, mode);
        writeFileSync(fd, text);
        fsyncSync(fd);
      });
      publish(written);
      withOpen(dirname(file), "r", fsyncSync);
    } finally {
      rmSync(written, { force: true });
    }
  });
}

function withOpen(path: string, flags: "wx" | "r", use: (fd: number) => void): void {
  const fd = openSync(path, flags, 0o600);
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}

function orUnwritable(path: string, write: () => void): void {
  try {
    write();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LarderError(
      "CA_UNWRITABLE",
      `cannot write ${path}: ${reason}; make its folder writable, or name another`,
      {
        details: { path },
        cause: error,
      },
    );
  }
}
