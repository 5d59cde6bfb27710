import { Readable } from "node:stream";
import type { Clock } from "../../core/clock.ts";
import { type Digest, digestOf } from "../../core/digest.ts";
import type { Entry } from "../../core/entry.ts";
import { LarderError, toLarderError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type NixKeys, signerOf } from "../../ecosystems/nix/signature.ts";
import type { SignatureVerdict } from "../../learn/signatures/gpgv-status.ts";
import type { Staging, Store } from "../../storage/store.ts";
import type { Errand } from "../answer/errand.ts";
import type { FillOrder } from "../fill/fill-order.ts";
import { readAtMost } from "../fill/read-at-most.ts";
import type { Origin, OriginResponse } from "../origin/origin.ts";
import type { SignatureDemand } from "../settings.ts";
import { DetachedSignatures } from "./detached-signatures.ts";

export interface SignedRootsDependencies {
  readonly store: Store;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly log: Log;
  /** `undefined`: nothing is asked, and everything may pass. */
  readonly demand: SignatureDemand | undefined;
  /** Whose signature a narinfo must have; nobody's when there are none. */
  readonly nixKeys: NixKeys;
}

/** Roots are some megabytes at most: Debian's InRelease has 200 KB. */
const MAX_ROOT_BYTES = 32 * 1024 * 1024;
const NOT_ASKED: SignatureVerdict = { kind: "good", signers: [] };
const TOO_LARGE = "it is too large to be checked";
/** Digests remembered; a hundred repositories of a hundred generations. */
const MAX_REMEMBERED = 10_000;
/** A key that has expired since, or a signature that has, is seen a day later at the latest. */
const REMEMBERED_FOR_MS = 24 * 60 * 60 * 1000;

/**
 * Stands where roots come in and where they go out, and lets pass what a key of the user's keyrings has signed; what it
 * does not let pass is neither served nor learnt from. A root is checked once for its digest.
 */
export class SignedRoots {
  readonly #deps: SignedRootsDependencies;
  readonly #detached: DetachedSignatures;
  /** What has been judged, and until when that holds. */
  readonly #judged = new Map<string, number>();
  readonly #underWay = new Map<string, Promise<LarderError | undefined>>();

  constructor(dependencies: SignedRootsDependencies) {
    this.#deps = dependencies;
    this.#detached = new DetachedSignatures(dependencies);
  }

  /** Leaves those of the stored responses that may be served or revalidated. @throws LarderError `BLOB_…` */
  async select(errand: Errand, entries: readonly Entry[]): Promise<readonly Entry[]> {
    if (!this.#concerns(errand)) return entries;
    const refusals = await Promise.all(
      entries.map(async ({ status, digest, bytes }) => {
        if (status >= 400) return undefined;
        const read = async (): Promise<Buffer> => this.#deps.store.readWhole(digest);
        return await this.#judge(errand, { status, digest, bytes, read, isNew: false });
      }),
    );
    return entries.filter((_, index) => refusals[index] === undefined);
  }

  /**
   * What a fill has to know, so that it keeps what it fetched from its readers and from the store until it is admitted.
   */
  admission(errand: Errand): Pick<FillOrder, "admit"> {
    if (!this.#concerns(errand)) return {};
    return {
      admit: (status, body, { digest, bytes }) =>
        this.#judge(errand, { status, digest, bytes, read: () => readStaged(body, bytes), isNew: true }),
    };
  }

  /** Reads a root that passes by unstored, to see whether it may. @throws LarderError `SIGNATURE_BAD` */
  async screen(errand: Errand, response: OriginResponse): Promise<OriginResponse> {
    const { status } = response.head;
    const hasRoot = errand.view.method !== "HEAD" && status < 400 && status !== 304;
    if (!this.#concerns(errand) || !this.#isRequired(errand) || !hasRoot) return response;
    if (status === 206) {
      await response.discard();
      throw refusalOf(errand, "a part cannot be checked");
    }
    const body = await readAtMost(response.body, MAX_ROOT_BYTES);
    if (body === undefined) throw refusalOf(errand, TOO_LARGE);
    const read = async (): Promise<Buffer> => body;
    const root = { status, digest: digestOf(body), bytes: body.length, read, isNew: true };
    const refusal = await this.#judge(errand, root);
    if (refusal !== undefined) throw refusal;
    return { ...response, body: Readable.from([body]) };
  }

  #concerns({ signature }: Errand): boolean {
    if (signature?.kind === "narinfo") return this.#deps.nixKeys.size > 0;
    return signature !== undefined && this.#deps.demand !== undefined;
  }

  /** Keys for narinfos are given by who wants only what they signed. */
  #isRequired({ signature }: Errand): boolean {
    return signature?.kind === "narinfo" || this.#deps.demand?.isRequired === true;
  }

  /** @returns why the root may not pass. */
  async #judge(errand: Errand, root: Root): Promise<LarderError | undefined> {
    const holdsUntilMs = this.#judged.get(nameOf(root));
    if (holdsUntilMs !== undefined && holdsUntilMs > this.#deps.clock()) return undefined;
    // A signature that one requester may not have says nothing about what another may.
    const name = `${errand.view.realm} ${nameOf(root)}`;
    const underWay = this.#underWay.get(name);
    if (underWay !== undefined) return await underWay;
    const judgement = this.#judgeAnew(errand, root).finally(() => this.#underWay.delete(name));
    this.#underWay.set(name, judgement);
    return await judgement;
  }

  async #judgeAnew(errand: Errand, root: Root): Promise<LarderError | undefined> {
    const verdict = await this.#check(errand, root);
    if (verdict.kind === "good" || !this.#isRequired(errand)) this.#remember(nameOf(root));
    if (verdict.kind === "good") return undefined;
    const refusal = refusalOf(errand, verdict.reason);
    const { uri, reason } = refusal.details;
    this.#deps.log.warn({ code: refusal.code, uri, digest: root.digest, reason }, "signature");
    return this.#isRequired(errand) ? refusal : undefined;
  }

  async #check(errand: Errand, { status, bytes, read, isNew }: Root): Promise<SignatureVerdict> {
    const { demand, nixKeys } = this.#deps;
    const { signature } = errand;
    if (signature === undefined || (signature.kind !== "narinfo" && demand === undefined)) return NOT_ASKED;
    // Whatever its body is: a client would go where it leads.
    if (status >= 300) return { kind: "bad", reason: `its origin answered ${status}` };
    if (bytes > MAX_ROOT_BYTES) return { kind: "bad", reason: TOO_LARGE };
    const text = await read();
    if (signature.kind === "narinfo") return verdictOn(text, nixKeys);
    if (signature.kind === "detached") return await this.#detached.check(errand, { ...signature, text, isNew });
    return (await demand?.checker.check({ kind: "clearsigned", message: text })) ?? NOT_ASKED;
  }

  #remember(name: string): void {
    this.#judged.delete(name);
    this.#judged.set(name, this.#deps.clock() + REMEMBERED_FOR_MS);
    const [oldest] = this.#judged.keys();
    if (this.#judged.size > MAX_REMEMBERED && oldest !== undefined) this.#judged.delete(oldest);
  }
}

/** A root to be judged. */
interface Root {
  /** Below 400. */
  readonly status: number;
  readonly digest: Digest;
  readonly bytes: number;
  readonly read: () => Promise<Buffer>;
  /** It comes from its origin just now: what is stored cannot be its signature. */
  readonly isNew: boolean;
}

function nameOf({ status, digest }: Root): string {
  return `${status} ${digest}`;
}

function verdictOn(narinfo: Buffer, keys: NixKeys): SignatureVerdict {
  try {
    const signer = signerOf(narinfo, keys);
    return signer === undefined ? { kind: "bad", reason: "no key signed it" } : { kind: "good", signers: [signer] };
  } catch (error) {
    return { kind: "bad", reason: String(toLarderError(error).details["reason"] ?? error) };
  }
}

function refusalOf({ view }: Errand, reason: string): LarderError {
  // Without the query, which can hold a signature of another kind.
  const uri = view.target.uri.replace(/\?.*$/, "");
  return new LarderError("SIGNATURE_BAD", `${uri} is not signed by a key of the keyrings: ${reason}`, {
    details: { uri, reason },
  });
}

async function readStaged(body: Pick<Staging, "read">, bytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for (let at = 0; at < bytes; at += chunks.at(-1)?.length ?? 0) chunks.push(await body.read(at, bytes - at));
  return Buffer.concat(chunks);
}
