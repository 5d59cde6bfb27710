import { readFile } from "node:fs/promises";
import { digestOf } from "../../core/digest.ts";
import { PUBLIC_REALM, type Realm } from "../../core/entry.ts";
import { parseTarget } from "../../core/target.ts";
import { canonicalUri } from "../../ecosystems/repository-path.ts";
import { createLearner, type Learner, type LearnerOptions } from "../../learn/learner.ts";
import type { LearnOutcome } from "../../learn/tasks.ts";
import { openDeclarations } from "../../storage/declarations/open-declarations.ts";
import type { MayDelegate } from "../../storage/declarations/other-places.ts";
import type { DeclarationIndex, DeclaredResource } from "../../storage/declarations.ts";
import type { Store } from "../../storage/store.ts";
import { storeBody } from "../storage/bodies.ts";
import { test as base, type HandClock } from "../storage/workbench.ts";

/** Whom the declarations of a test believe beside the repositories themselves. */
export const DELEGATES = "https://mirrors.example/";
const mayDelegate: MayDelegate = (fromUri) => fromUri.startsWith(DELEGATES);

interface Parts {
  readonly store: Store;
  readonly index: DeclarationIndex;
  readonly learner: Learner;
  readonly clock: HandClock;
}

/** A store whose metadata is learnt, as the program does it. */
class LearningBench {
  readonly index: DeclarationIndex;
  readonly learner: Learner;
  readonly #store: Store;
  readonly #clock: HandClock;

  constructor({ store, index, learner, clock }: Parts) {
    this.#store = store;
    this.index = index;
    this.learner = learner;
    this.#clock = clock;
  }

  /** Stores what was fetched from the URI, and has it learnt. */
  async pass(uri: string, body: Buffer | string, realm: Realm = PUBLIC_REALM): Promise<LearnOutcome> {
    const { digest } = await storeBody(this.#store, uri, Buffer.from(body), { realm });
    return this.learner.learn({ target: parseTarget(uri), digest, realm });
  }

  /** Passes a file of a repository on disk as fetched from below the base. */
  async passFile(base: string, folder: string, path: string): Promise<LearnOutcome> {
    return this.pass(base + path, await readFile(`${folder}/${path}`));
  }

  find(uri: string, realm: Realm = PUBLIC_REALM): DeclaredResource | undefined {
    const canonical = canonicalUri(parseTarget(uri));
    return canonical === undefined ? undefined : this.index.find(canonical, { realm, nowMs: this.#clock.nowMs });
  }

  digestAt(uri: string): string | undefined {
    return this.find(uri)?.declaration.digest;
  }
}

/** A Release file that declares these files of its folder. */
export function releaseOf(files: Readonly<Record<string, Buffer | string>>, fields = "Suite: stable\n"): string {
  const lines = Object.entries(files).map(([path, body]) => ` ${digestOf(body)} ${Buffer.byteLength(body)} ${path}\n`);
  return `${fields}SHA256:\n${lines.join("")}`;
}

/** A Packages index of one paragraph for each file. */
export function packagesOf(files: Readonly<Record<string, string>>): string {
  return Object.entries(files)
    .map(([path, body]) => `Package: a\nFilename: ${path}\nSize: ${body.length}\nSHA256: ${digestOf(body)}\n`)
    .join("\n");
}

export type OpenLearner = (options?: Partial<LearnerOptions>) => Learner;

export const test = base
  .extend("index", async ({ rootDir, clock, log, store: _ }, { onCleanup }) => {
    const index = openDeclarations({ rootDir, mayDelegate, clock: clock.read, log });
    onCleanup(() => index.close());
    return index;
  })
  .extend("openLearner", async ({ rootDir, index, clock, log }, { onCleanup }): Promise<OpenLearner> => {
    const learners: Learner[] = [];
    onCleanup(async () => {
      for (const learner of learners) await learner.close();
    });
    return (options = {}) => {
      const learner = createLearner({ rootDir, index, clock: clock.read, log, ...options });
      learners.push(learner);
      return learner;
    };
  })
  .extend("bench", async ({ store, index, openLearner, clock }) => {
    return new LearningBench({ store, index, learner: openLearner(), clock });
  });
