import { randomBytes } from "node:crypto";
import { realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { LeafContexts } from "../../certs/contexts.ts";
import type { TrustFiles } from "../../clients/environment.ts";
import { renderEnvPage } from "../../clients/fragments.ts";
import { renderGuestScript } from "../../clients/vm/guest-script.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { formatAuthority } from "../../core/target.ts";
import { createLearner } from "../../learn/learner.ts";
import { createNarChecker } from "../../learn/nar/checker.ts";
import { relearnIfLost } from "../../learn/relearn.ts";
import { openSignatures } from "../../learn/signatures/signatures.ts";
import { createProxy } from "../../proxy/proxy.ts";
import type { ListenOptions, LocalPages, SignatureDemand } from "../../proxy/settings.ts";
import { openLedger } from "../../storage/ledger.ts";
import type { LocalStore } from "../../storage/local-store.ts";
import { StoreKeeper } from "../../storage/maintenance/keeper.ts";
import { Scrubber } from "../../storage/maintenance/scrub.ts";
import { explain } from "../control/explain.ts";
import type { ControlService } from "../control/server.ts";
import { Sessions } from "../control/sessions.ts";
import { describeStatus, type StatusReport } from "../control/status-report.ts";
import type { Config, Settings } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";
import { loadOriginAccess } from "../settings/origin-access.ts";
import { loadParentRules } from "../settings/parents.ts";
import { proxySettings } from "../settings/proxy-settings.ts";
import { openOwnDeclarations, openOwnStore } from "../store/open-store.ts";
import { readVersion } from "../version.ts";
import { UserAccounts } from "./accounts.ts";
import { keepYoungGenerationSmall } from "./memory.ts";
import { prepareTrust, type Trust } from "./trust.ts";

/** Some 30 KiB a context: 15 MiB when as many hosts are asked as hardly any build asks. */
const MAX_CONTEXTS = 500;

export interface WireOptions {
  readonly config: Config;
  readonly env: Environment;
  readonly log: Log;
  readonly clock: Clock;
}

/** A whole larder: everything is constructed, nothing listens yet. */
export interface Larder extends ControlService {
  readonly sessions: Sessions;
  readonly trust: TrustFiles;
  /** @returns the address as a URL. @throws LarderError `LISTEN_FAILED` */
  listen(address: Omit<ListenOptions, "session">): Promise<string>;
  /** Has done what a larder that stays does from time to time: the scrub. */
  tend(): void;
  /** Lets exchanges under way finish for so long, then ends everything and releases the store. */
  close(options: { readonly drainMs: number }): Promise<void>;
}

/**
 * Constructs a larder; the one place where the rooms meet. Takes the lock of the store first, so that whoever holds it
 * is the only one that writes the rest, too.
 * @throws LarderError `STORE_…`, `CA_…`, `CONFIG_BAD_VALUE`
 */
export async function wire({ config, env, log, clock }: WireOptions): Promise<Larder> {
  keepYoungGenerationSmall();
  const store = await openOwnStore(config.settings, { clock, log });
  try {
    const trust = prepareTrust(config, env, clock());
    return await assemble({ config, env, log, clock }, store, trust);
  } catch (error) {
    await store.close();
    throw error;
  }
}

async function assemble({ config, env, log, clock }: WireOptions, store: LocalStore, trust: Trust): Promise<Larder> {
  const { settings } = config;
  const { authority, files, originRoots } = trust;
  const originAccess = loadOriginAccess(config.originFiles);
  const parentRules = loadParentRules(config.parents);
  const signatures = await signatureDemand(settings);
  const ledger = await openLedger({ stateDir: settings.state, clock, log });
  const accounts = new UserAccounts(settings.users, { ledger, clock, log });
  const care = new StoreKeeper(store.parts, ledger.pinsOf(realpathSync(settings.root)));
  const scrubber = new Scrubber({ parts: store.parts, everyMs: settings.scrubEvery, clock, log });
  const listening: string[] = [];
  const pages: LocalPages = {
    caPem: authority.chainPem,
    env: (address) => renderEnvPage({ address, fingerprint256: authority.fingerprint256, ...files }),
    guestScript: renderGuestScript(),
    status: () => `${describeStatus(report(), clock()).join("\n")}\n`,
  };
  const contexts = new LeafContexts({ authority, clock, maxContexts: MAX_CONTEXTS });
  // Random, so that a loop through another larder is not mistaken for one through this, nor the other way round.
  const pseudonym = `larder-${randomBytes(4).toString("hex")}`;
  const rootDir = settings.root;
  const declarations = openOwnDeclarations(settings, { clock, log });
  const learner = createLearner({ rootDir, index: declarations, clock, log });
  const narChecker = settings.verifyNars === "on" ? createNarChecker(rootDir) : undefined;
  const { repositories } = config;
  if (repositories.length > 0 || declarations.hasConfigured()) await learner.configure(repositories);
  const relearning = relearnIfLost({ store, index: declarations, learner, layout: store.parts.layout, log });
  const proxy = createProxy(
    { accounts, store, declarations, learner, signatures, narChecker, ledger, contexts, log, clock, pages },
    proxySettings(settings, env, { originRoots, originAccess, parentRules, pseudonym }),
  );
  const sessions = new Sessions(proxy, ledger);
  const report = (): StatusReport => ({
    version: readVersion(),
    pid: process.pid,
    root: settings.root,
    listening,
    sessions: sessions.list().map(({ id, name }) => ({ id, name })),
    counters: proxy.counters(),
    usage: store.usage(),
    scrub: scrubber.report(),
  });
  return {
    sessions,
    trust: files,
    status: report,
    usage: () => store.usage(),
    care,
    why: (uri) => explain(uri, { store, declarations, clock, settings, originAccess }),
    async listen(address) {
      const url = `http://${formatAuthority(await proxy.listen(address))}`;
      listening.push(url);
      return url;
    },
    tend: () => scrubber.start(),
    async close({ drainMs }) {
      await scrubber.close();
      await proxy.close({ drainMs });
      await Promise.all([relearning.stop(), learner.close(), narChecker?.close()]);
      declarations.close();
      accounts.close();
      ledger.close();
      await store.close();
    },
  };
}

async function signatureDemand({ verifySignatures, keyrings }: Settings): Promise<SignatureDemand | undefined> {
  if (verifySignatures === "off") return undefined;
  const checker = await openSignatures({ keyrings, tempDir: tmpdir() });
  return { checker, isRequired: verifySignatures === "require" };
}
