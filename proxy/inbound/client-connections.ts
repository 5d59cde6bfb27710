import type net from "node:net";

/**
 * How many connections each client address has open, over all listeners: one address must not take what is there for
 * all.
 */
export class ClientConnections {
  readonly max: number;
  readonly #open = new Map<string, number>();
  readonly #refused = new Set<string>();

  constructor(max: number) {
    this.max = max;
  }

  /** Counts the connection until it closes. @returns false for one too many, which is not counted */
  add(socket: net.Socket, address: string): boolean {
    const open = this.#open.get(address) ?? 0;
    if (open >= this.max) return false;
    this.#open.set(address, open + 1);
    socket.once("close", () => this.#remove(address));
    return true;
  }

  /** Whether nothing was told of that address yet, since it last had less than half of what it may. */
  isFirstRefusal(address: string): boolean {
    if (this.#refused.has(address)) return false;
    this.#refused.add(address);
    return true;
  }

  #remove(address: string): void {
    const open = (this.#open.get(address) ?? 1) - 1;
    if (open < this.max / 2) this.#refused.delete(address);
    if (open === 0) this.#open.delete(address);
    else this.#open.set(address, open);
  }
}
