import type { IncomingMessage, ServerResponse } from "node:http";

/** Answers of one connection under way at once; apt sends ten requests ahead. */
const MAX_AT_ONCE = 16;
/** Requests that may wait behind those before no more are read from the connection. */
const MAX_WAITING = 16;

/** RFC 9110 §9.2.1, of those that are worth sending ahead. */
const SAFE_METHODS: ReadonlySet<string | undefined> = new Set(["GET", "HEAD"]);

interface Turn {
  readonly isSafe: boolean;
  readonly response: ServerResponse;
  begin(): void;
}

/**
 * The requests of one connection, which may be sent ahead of their answers (RFC 9112 §9.3.2). Those that only read are
 * answered side by side; one that changes something waits for those before it, and those after it wait for it.
 */
export class Pipeline {
  readonly #underWay = new Set<Turn>();
  readonly #waiting: Turn[] = [];
  #isCondemned = false;

  /** Nothing that follows on this connection is answered: what came before it was in doubt. */
  condemn(): void {
    this.#isCondemned = true;
    this.#waiting.length = 0;
  }

  /** Whether nothing is under way or waiting. */
  get isUnused(): boolean {
    return this.#underWay.size + this.#waiting.length === 0;
  }

  /** Whether nothing is under way or waiting, and more may come. */
  get isIdle(): boolean {
    return !this.#isCondemned && this.isUnused;
  }

  get isCondemned(): boolean {
    return this.#isCondemned;
  }

  /** Calls `begin` when it is this request's turn, at once where it can be; never when the connection was condemned. */
  take(request: IncomingMessage, response: ServerResponse, begin: () => void): void {
    if (this.#isCondemned) return;
    const { socket } = request;
    const turn: Turn = { isSafe: SAFE_METHODS.has(request.method), response, begin };
    response.once("close", () => {
      this.#underWay.delete(turn);
      this.#advance();
      if (socket.isPaused() && this.#waiting.length < MAX_WAITING) socket.resume();
    });
    this.#waiting.push(turn);
    this.#advance();
    if (this.#waiting.length >= MAX_WAITING) socket.pause();
  }

  /** Whether an answer can be written to the bare connection: none has begun on it, and at most one was to begin. */
  get isUnanswered(): boolean {
    const [only] = this.#underWay;
    return this.#waiting.length === 0 && this.#underWay.size <= 1 && only?.response.headersSent !== true;
  }

  #advance(): void {
    for (let [next] = this.#waiting; next !== undefined && this.#mayBegin(next); [next] = this.#waiting) {
      this.#waiting.shift();
      this.#underWay.add(next);
      next.begin();
    }
  }

  #mayBegin({ isSafe }: Turn): boolean {
    if (this.#underWay.size === 0) return true;
    return isSafe && this.#underWay.size < MAX_AT_ONCE && [...this.#underWay].every((turn) => turn.isSafe);
  }
}

const pipelines = new WeakMap<object, Pipeline>();

/** The pipeline of a connection, or of the TLS in it. */
export function pipelineOf(socket: object): Pipeline {
  const known = pipelines.get(socket) ?? new Pipeline();
  pipelines.set(socket, known);
  return known;
}
