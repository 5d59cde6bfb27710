import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import ts from "typescript";
import { type Command, Server } from "./servers.ts";

const PROGRAMS_FOLDER = resolve(import.meta.dirname, "programs");
const PROGRAMS = {
  origin: new URL("./programs/origin.ts", import.meta.url),
  load: new URL("./programs/load.ts", import.meta.url),
  baseline: new URL("./programs/baseline.ts", import.meta.url),
  watched: new URL("./programs/watched.ts", import.meta.url),
} as const;

/** One temporary folder and every process that was started in it; nothing of either is left once it is closed. */
export class Workbench {
  readonly folder: string;
  readonly #servers = new Set<Server>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(): Promise<Workbench> {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "larder-bench-")));
    // A server that gives up root must still be able to walk to its own folder.
    await chmod(folder, 0o711);
    await transpilePrograms(join(folder, "programs"));
    return new Workbench(folder);
  }

  /** A new, empty folder that every user may enter. */
  async makeFolder(name: string): Promise<string> {
    const folder = await mkdtemp(join(this.folder, `${name}-`));
    await chmod(folder, 0o755);
    return folder;
  }

  start(command: Command): Server {
    return this.#keep(Server.spawn(command));
  }

  /** Starts one of bench/programs on plain node. */
  startProgram(name: keyof typeof PROGRAMS, folder: string, more: Partial<Command> = {}): Server {
    const program = join(this.folder, "programs", transpiledName(PROGRAMS[name].pathname));
    return this.#keep(Server.fork({ args: [], ...more, program, folder }));
  }

  /**
   * Ends a server. Its files stay until {@link close}: where many have just been deleted, ext4 without a journal
   * searches long for an inode that it may use (0.6 ms a file were seen, a tenth of that otherwise), and the next heat
   * would pay.
   */
  async end(server: Server): Promise<void> {
    await server.stop();
    this.#servers.delete(server);
  }

  async close(): Promise<void> {
    await Promise.all([...this.#servers].map((server) => server.stop()));
    await rm(this.folder, { recursive: true, force: true });
  }

  #keep(server: Server): Server {
    this.#servers.add(server);
    return server;
  }
}

/**
 * A TypeScript loader inside the baseline would be counted as its memory (45 MB was seen), so they run as JavaScript.
 */
async function transpilePrograms(folder: string): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, "package.json"), '{ "type": "module" }\n');
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.ESNext,
    rewriteRelativeImportExtensions: true,
  };
  for (const name of await readdir(PROGRAMS_FOLDER)) {
    const source = await readFile(join(PROGRAMS_FOLDER, name), "utf8");
    const { outputText } = ts.transpileModule(source, { compilerOptions, fileName: name });
    await writeFile(join(folder, transpiledName(name)), outputText);
  }
}

function transpiledName(source: string): string {
  return `${basename(source, ".ts")}.js`;
}
