import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import type { Authority } from "../../test/support/authority.ts";
import type { Ports, Route, Scheme } from "../programs/protocol.ts";
import type { Server } from "../servers.ts";
import type { Workbench } from "../workbench.ts";

/** What a contestant is started with. */
export interface Surroundings {
  readonly workbench: Workbench;
  readonly authority: Authority;
  readonly originPorts: Ports;
  /** The contestant's own, empty folder. */
  readonly folder: string;
}

/** A contestant that is running, with nothing in its store. */
interface Running {
  readonly server: Server;
  readonly routes: Readonly<Partial<Record<Scheme, Route>>>;
}

/** Something that answers in front of the origin, and that is measured. */
export interface Contestant {
  readonly name: string;
  /** Name and version for the report; `undefined` when it is not installed. */
  version(): Promise<string | undefined>;
  /** Why it cannot be measured on that scheme, by this installation; `undefined` when it can. */
  absence(scheme: Scheme): Promise<string | undefined>;
  start(surroundings: Surroundings): Promise<Running>;
}

/** Debian's servers are in folders that only root has in its PATH. */
const PROGRAM_FOLDERS = [...(process.env["PATH"] ?? "").split(":"), "/usr/local/sbin", "/usr/sbin", "/sbin"];

/** @returns the path of an installed program. */
export async function findProgram(name: string): Promise<string | undefined> {
  for (const folder of PROGRAM_FOLDERS) {
    const path = join(folder, name);
    try {
      await access(path, constants.X_OK);
      return path;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}
