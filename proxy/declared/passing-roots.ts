import { digestOf } from "../../core/digest.ts";
import { fieldValue } from "../../core/fields.ts";
import type { Log } from "../../core/log.ts";
import type { Learner } from "../../learn/learner.ts";
import type { Errand } from "../answer/errand.ts";
import { Room, readAlong } from "../fill/read-along.ts";
import type { OriginResponse } from "../origin/origin.ts";
import { bounded } from "./patience.ts";
import type { TakenRoots } from "./taken-roots.ts";

export interface PassingRootsDependencies {
  readonly learner: Pick<Learner, "learn">;
  readonly taken: TakenRoots;
  readonly log: Log;
}

/** npm's registry takes packuments of 100 MB; all other roots are far smaller. They may not lie on disk, so they are in memory. */
const MAX_ROOT_BYTES = 128 * 1024 * 1024;
/** Of all that pass at the same moment. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;
/** How long the end of one waits until it has been read: pip leaves a server that is silent for 15 s. */
const LEARNING_PATIENCE_MS = 10_000;

/**
 * Learns what roots declare that go out without being stored (`no-store`, `private`), as they pass: payloads that are asked for after
 * one are held to what it says, for whoever brings the same credentials.
 */
export class PassingRoots {
  readonly #deps: PassingRootsDependencies;
  readonly #room = new Room(MAX_HELD_BYTES);

  constructor(dependencies: PassingRootsDependencies) {
    this.#deps = dependencies;
  }

  /** The response, whose last piece goes out when it is known what it declares; anything but a whole root passes as it is. */
  learn(errand: Errand, response: OriginResponse): OriginResponse {
    const { place, view } = errand;
    if (place === undefined || view.method !== "GET" || response.head.status !== 200) return response;
    const coding = fieldValue(response.head.fields, "content-encoding");
    const body = readAlong(response.body, {
      maxBytes: MAX_ROOT_BYTES,
      room: this.#room,
      onWhole: async (bytes) => {
        if (bytes === undefined) this.#noteTooLarge(errand);
        else await this.#learnWhole(errand, bytes, coding);
      },
    });
    return { ...response, body };
  }

  async #learnWhole({ place, view, reply }: Errand, bytes: Buffer, coding: string | undefined): Promise<void> {
    const { learner, taken } = this.#deps;
    const digest = digestOf(bytes);
    if (place?.role === "root") taken.note(reply.record.way, place, digest);
    const learnt = learner.learn({ target: view.target, digest, realm: view.realm, place, bytes, coding });
    await bounded(learnt, LEARNING_PATIENCE_MS);
  }

  #noteTooLarge({ view }: Errand): void {
    const uri = view.target.uri.replace(/\?.*$/, "");
    this.#deps.log.warn(
      { uri },
      "metadata that may not be stored is too large to be read as it passes; nothing is learnt from it",
    );
  }
}
