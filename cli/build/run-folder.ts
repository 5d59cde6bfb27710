import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SYSTEM_BUNDLES } from "../../certs/bundle.ts";
import { renderTruststore } from "../../certs/truststore.ts";
import { renderAptConf } from "../../clients/apt.ts";
import { containerVariables } from "../../clients/container-variables.ts";
import type { CacheMount } from "../../clients/engine-arguments.ts";
import type { TrustFiles, Variables } from "../../clients/environment.ts";
import { LarderError } from "../../core/errors.ts";
import { HANDOUT_FILES, handoutPath, renderWgetrc } from "../../core/handout.ts";
import type { NetworkPlan, RunPlan } from "../../runtime/plan.ts";
import { renderShim } from "../../runtime/shim.ts";
import { makeOwnFolder } from "../env/written-file.ts";

/** dnf 4 and dnf 5 both read it; neither has a variable for its roots. */
const DNF_CONFS: readonly string[] = ["/etc/dnf/dnf.conf"];

/**
 * The folder of one build, below the store so that the program in it may be executed and is read by this user's engine:
 *
 *     <root>/builds/<pid>-XXXXXX/
 *       runc                 the shim, under the name of the runtime it stands for
 *       plan.json            RunPlan
 *       ca.pem roots.pem truststore.p12
 *       handouts/<sha256>/   what containers see as /dev/larder
 *       lent/<container>/    runtime/lent-folder.ts
 *       faults               one line for each container that had to be left as it was, or could not give back what was lent to it
 */
export class RunFolder {
  readonly path: string;
  /** Where the engine writes the id of the image, when the folder is of one build. */
  readonly iidFile: string | undefined;

  private constructor(path: string, iidFile?: string) {
    this.path = path;
    this.iidFile = iidFile;
  }

  /** Makes the folder, and removes those whose process is gone: a SIGKILL leaves them. */
  static make(rootDir: string): RunFolder {
    const parent = join(rootDir, "builds");
    makeOwnFolder(parent);
    for (const name of readdirSync(parent)) {
      const [pid = ""] = name.split("-");
      if (/^\d+$/.test(pid) && !existsSync(`/proc/${pid}`))
        rmSync(join(parent, name), { recursive: true, force: true });
    }
    const path = mkdtempSync(join(parent, `${process.pid}-`));
    const folder = new RunFolder(path, join(path, "iid"));
    process.once("exit", () => folder.remove());
    return folder;
  }

  /** A folder that stays, for command lines that others run later; made anew each time. */
  static standing(rootDir: string): RunFolder {
    const path = join(rootDir, "builds", "standing");
    makeOwnFolder(path);
    return new RunFolder(path);
  }

  /** Idempotent and synchronous, so that it also works while the process exits. */
  remove(): void {
    rmSync(this.path, { recursive: true, force: true });
  }

  /** What went wrong with containers; each reason once. */
  faults(): readonly string[] {
    const file = join(this.path, "faults");
    return existsSync(file) ? [...new Set(readFileSync(file, "utf8").trimEnd().split("\n"))] : [];
  }

  /** Writes the shim and what it goes by. @returns the file of the shim. @throws LarderError `ENGINE_FAILED` */
  writeShim(runtimeFile: string, options: PlanOptions): string {
    const planFile = join(this.path, "plan.json");
    const plan = this.#plan(options);
    writeFileSync(planFile, JSON.stringify(plan));
    const shimFile = join(this.path, basename(runtimeFile));
    const shim = renderShim({ runtimeFile, nodeFile: process.execPath, programsDir: PROGRAMS, planFile, ...plan });
    writeFileSync(shimFile, shim, { mode: 0o755 });
    const { status, error } = spawnSync(shimFile, ["--version"], { stdio: "ignore" });
    if (status === 0) return shimFile;
    const reason = error?.message ?? `exit ${status}`;
    throw new LarderError(
      "ENGINE_FAILED",
      `${shimFile} cannot be run (${reason}); is ${this.path} on a file system mounted noexec?`,
    );
  }

  /** Writes the files that a container finds below `/dev/larder`, with this machine's roots. @returns their folder */
  writeHandout({ trust, proxyUrl }: Pick<PlanOptions, "trust"> & { readonly proxyUrl: string }): string {
    const folder = join(this.path, "handout");
    makeOwnFolder(folder);
    copyFileSync(trust.bundleFile, join(folder, HANDOUT_FILES.bundle));
    copyFileSync(trust.caFile, join(folder, HANDOUT_FILES.ca));
    const texts = {
      [HANDOUT_FILES.aptConf]: renderAptConf({ proxyUrl, bundleFile: handoutPath("bundle") }),
      [HANDOUT_FILES.wgetrc]: renderWgetrc(""),
      [HANDOUT_FILES.truststore]: renderTruststore(readFileSync(trust.bundleFile, "utf8")),
    };
    for (const [name, content] of Object.entries(texts)) writeFileSync(join(folder, name), content);
    return folder;
  }

  #plan({ trust, hostUrl, guestUrl, noProxy, handedOn, bindsDnfConf, cacheMounts }: PlanOptions): RunPlan {
    const copies = { caFile: join(this.path, "ca.pem"), fallbackBundleFile: join(this.path, "roots.pem") };
    copyFileSync(trust.caFile, copies.caFile);
    copyFileSync(trust.bundleFile, copies.fallbackBundleFile);
    const truststoreFile = join(this.path, HANDOUT_FILES.truststore);
    writeFileSync(truststoreFile, renderTruststore(readFileSync(trust.bundleFile, "utf8")));
    return {
      ...copies,
      truststoreFile,
      hostNetwork: networkPlan(hostUrl, noProxy),
      ownNetwork: networkPlan(guestUrl, noProxy),
      handedOn,
      bundleCandidates: SYSTEM_BUNDLES,
      dnfConfs: bindsDnfConf ? DNF_CONFS : [],
      cacheFolders: cacheMounts.map(({ path, owners }) => ({ path, owners })),
      handoutDir: join(this.path, "handouts"),
      lentDir: join(this.path, "lent"),
      faultsFile: join(this.path, "faults"),
    };
  }
}

export interface PlanOptions {
  readonly trust: TrustFiles;
  /** The proxy as containers on the host's network reach it, and as those with one of their own do. */
  readonly hostUrl: string;
  readonly guestUrl: string;
  readonly noProxy: string;
  /** The proxy variables of the engine's own process. */
  readonly handedOn: Variables;
  readonly bindsDnfConf: boolean;
  readonly cacheMounts: readonly CacheMount[];
}

/** Always compiled: the shim starts them with nothing but node. */
const PROGRAMS = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../../dist/runtime" : "../../runtime", import.meta.url),
);

function networkPlan(proxyUrl: string, noProxy: string): NetworkPlan {
  return {
    variables: containerVariables({ proxyUrl, noProxy }),
    aptConf: renderAptConf({ proxyUrl, bundleFile: handoutPath("bundle") }),
  };
}
