import { type Fields, folderHandler } from "../files.ts";
import type { Origin } from "../origin.ts";

/** A folder that an origin serves, until another is published in its place. */
export class Site {
  readonly url: string;
  #folder: string;
  #generation = 0;
  #next: { readonly folder: string; readonly after: string } | undefined;

  /**
   * @param prefix the path it is served under; ends in `/`.
   * @param authorization whoever asks without it gets nothing.
   */
  constructor(origin: Origin, prefix: string, folder: string, authorization?: string) {
    this.url = origin.url + prefix.slice(0, -1);
    this.#folder = folder;
    origin.serve(prefix, async (request, response) => {
      if (authorization !== undefined && request.headers.authorization !== authorization) {
        response.writeHead(401).end();
        return;
      }
      const next = request.url?.endsWith(this.#next?.after ?? "") === true ? this.#next : undefined;
      await folderHandler(prefix, this.#folder, () => this.#fields)(request, response);
      if (next !== undefined) this.publish(next.folder);
    });
  }

  publish(folder: string): void {
    this.#folder = folder;
    this.#generation += 1;
    this.#next = undefined;
  }

  /** Publishes when a request whose path ends so has been answered. */
  publishAfter(after: string, folder: string): void {
    this.#next = { folder, after };
  }

  /** Each generation is a day younger than the one before. */
  get #fields(): Fields {
    return { "Last-Modified": new Date(Date.UTC(2025, 2, 1 + this.#generation, 10)).toUTCString() };
  }
}
