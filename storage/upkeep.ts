/** How long work behind the downloads may gather. */
const INTERVAL_MS = 1_000;

/** Does once, within a second, what was asked for many times: the work that nobody waits for. */
export class Upkeep {
  readonly #work: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  /** @param work never rejects */
  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Asks for the work to be done soon. */
  request(): void {
    this.#timer ??= setTimeout(() => void this.run(), INTERVAL_MS).unref();
  }

  /** Does it now, after what is running. */
  run(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running = this.#running.then(this.#work);
    return this.#running;
  }
}
