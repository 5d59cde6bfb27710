import type { ServerResponse } from "node:http";
import type net from "node:net";

/** How long a client that has come in may take for its first request when the listener is about to end. */
const FIRST_REQUEST_MS = 1_000;

interface Standing {
  /** Exchanges, and tunnels that are being opened or pass blindly. */
  underWay: number;
  /** Whether a request has come in on it, CONNECT aside: what a tunnel is for comes after that. */
  hasAsked: boolean;
  /** Answers that may still say whether the connection goes on after them. */
  readonly answers: Set<ServerResponse>;
}

/** The open connections of one listener: what is under way on each, and how they come to their end. */
export class OpenConnections {
  readonly #standings = new Map<net.Socket, Standing>();
  #isClosing = false;
  #isPatient = true;
  #onEmpty: () => void = () => undefined;

  get count(): number {
    return this.#standings.size;
  }

  add(connection: net.Socket): void {
    this.#standings.set(connection, { underWay: 0, hasAsked: false, answers: new Set() });
    connection.once("close", () => {
      this.#standings.delete(connection);
      if (this.count === 0) this.#onEmpty();
    });
  }

  /**
   * Something begins on the connection, which may have gone by now.
   * @param answer to a request; without it a tunnel begins
   */
  begin(connection: net.Socket, answer?: ServerResponse): void {
    const standing = this.#standings.get(connection);
    if (standing === undefined) return;
    standing.underWay += 1;
    if (answer === undefined) return;
    standing.hasAsked = true;
    if (this.#isClosing) answer.shouldKeepAlive = false;
    standing.answers.add(answer);
    answer.once("close", () => standing.answers.delete(answer));
  }

  /**
   * It has ended.
   * @param carrier what it went over: the connection, or TLS inside it, which may still hold its last bytes
   */
  end(connection: net.Socket, carrier: net.Socket): void {
    const standing = this.#standings.get(connection);
    if (standing === undefined) return;
    standing.underWay -= 1;
    if (this.#mayEnd(standing)) carrier.destroySoon();
  }

  /**
   * Ends connections as they fall idle, those at once that are, and has answers that have not begun say so; who has
   * just come in is given a moment to ask. Resolves when none is left, which {@link OpenConnections.cutAll} hastens.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    const isEmpty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.count === 0) resolve();
    });
    for (const { answers } of this.#standings.values()) for (const answer of answers) answer.shouldKeepAlive = false;
    this.#endIdle();
    const patience = setTimeout(() => {
      this.#isPatient = false;
      this.#endIdle();
    }, FIRST_REQUEST_MS);
    await isEmpty.finally(() => clearTimeout(patience));
  }

  /**
   * Ends every connection now. Under an exchange it is reset: an orderly end could be the end of a body without a
   * length.
   */
  cutAll(): void {
    for (const [connection, { underWay, hasAsked }] of this.#standings) {
      if (underWay > 0 && hasAsked) connection.resetAndDestroy();
      else connection.destroy();
    }
  }

  #endIdle(): void {
    for (const [connection, standing] of this.#standings) if (this.#mayEnd(standing)) connection.destroy();
  }

  #mayEnd({ underWay, hasAsked }: Standing): boolean {
    return this.#isClosing && underWay === 0 && (hasAsked || !this.#isPatient);
  }
}
