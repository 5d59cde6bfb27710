import { mkdtemp, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type SecureContext, TLSSocket } from "node:tls";
import { test as base } from "vitest";
import { type Authority, loadOrCreateAuthority } from "../../certs/authority.ts";
import type { AuthorityFiles } from "../../certs/first-start.ts";
import { LarderError } from "../../core/errors.ts";
import { mustRun, type Outcome, runProgram } from "../support/programs.ts";

/** A kind of authority that a user may bring: the key, and whether a root of another key stands above it. */
export type BroughtKind = "RSA" | "P-256" | "P-384" | "chain";

const NEW_KEY: Readonly<Record<BroughtKind, readonly string[]>> = {
  RSA: ["-newkey", "rsa:2048"],
  "P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
  "P-384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
  chain: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
};
const CA_KEY_USAGE = "keyUsage=critical,keyCertSign,cRLSign";
const INTERMEDIATE = [
  "basicConstraints=critical,CA:TRUE,pathlen:0",
  CA_KEY_USAGE,
  "subjectKeyIdentifier=hash",
  "authorityKeyIdentifier=keyid",
].join("\n");

/** What the tests of certs/ need: a folder of their own, programs, authorities, and a server that shows one context. */
export const test = base
  .extend("folder", async ({ task: _ }, { onCleanup }) => {
    const folder = await realpath(await mkdtemp(join(tmpdir(), "larder-certs-")));
    onCleanup(() => rm(folder, { recursive: true, force: true }));
    return folder;
  })
  /** Runs a program in the folder, whatever its outcome. */
  .extend("run", ({ folder }) => {
    return (program: string, ...args: readonly string[]): Promise<Outcome> =>
      runProgram(program, args, { cwd: folder });
  })
  /** Runs openssl in the folder; it must succeed. */
  .extend("openssl", ({ folder }) => {
    return async (...args: readonly string[]): Promise<string> =>
      String(await mustRun("openssl", args, { cwd: folder }));
  })
  /** Where larder's own authority stands, or will. */
  .extend("ownFiles", ({ folder }): AuthorityFiles => {
    return { certFile: join(folder, "ca", "ca.pem"), keyFile: join(folder, "ca", "ca.key") };
  })
  /** An authority that larder made now. */
  .extend("authority", ({ ownFiles }): Authority => {
    return loadOrCreateAuthority({ ...ownFiles, nowMs: Date.now(), create: true });
  })
  /** Makes an authority with openssl, as a user would bring it. */
  .extend("bringAuthority", ({ folder, openssl }) => {
    return async (kind: BroughtKind): Promise<AuthorityFiles> => {
      const file = (name: string) => join(folder, name);
      const root = ["-subj", `/CN=brought ${kind}`, "-addext", CA_KEY_USAGE, "-days", "30"];
      await openssl("req", "-x509", "-nodes", ...NEW_KEY[kind], "-keyout", "root.key", "-out", "root.pem", ...root);
      if (kind !== "chain") return { certFile: file("root.pem"), keyFile: file("root.key") };
      await writeFile(file("intermediate.ext"), INTERMEDIATE);
      const request = ["-keyout", "intermediate.key", "-out", "intermediate.csr", "-subj", "/CN=brought intermediate"];
      await openssl("req", "-nodes", ...NEW_KEY[kind], ...request);
      const signed = ["-CA", "root.pem", "-CAkey", "root.key", "-extfile", "intermediate.ext", "-days", "20"];
      await openssl("x509", "-req", "-in", "intermediate.csr", ...signed, "-out", "intermediate.pem");
      const pems = await Promise.all(["root.pem", "intermediate.pem"].map((name) => readFile(file(name), "utf8")));
      await writeFile(file("chain.pem"), pems.join("# a comment between the two\n"));
      return { certFile: file("chain.pem"), keyFile: file("intermediate.key") };
    };
  })
  /** Shows a context to whoever connects, as the inside of a CONNECT tunnel does; gives the port. */
  .extend("serveTls", async ({ task: _ }, { onCleanup }) => {
    const servers: Server[] = [];
    onCleanup(async () => {
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
    });
    return async (context: SecureContext, host = "127.0.0.1"): Promise<number> => {
      const server = createServer((socket) =>
        answer(new TLSSocket(socket, { isServer: true, secureContext: context })),
      );
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, host, resolve));
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    };
  });

/** What the handshake came to is the client's to say; a client that refuses the certificate resets. */
function answer(client: TLSSocket): void {
  client.on("error", () => undefined);
  client.once("data", () => client.end("HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nlarder"));
}

/** The code of the LarderError that this throws, with its message for the checks that read it. */
export function refusal(act: () => unknown): {
  readonly code: unknown;
  readonly message: string;
  readonly cure: unknown;
} {
  try {
    act();
  } catch (error) {
    if (error instanceof LarderError) return { code: error.code, message: error.message, cure: error.details["cure"] };
    throw error;
  }
  throw new Error("nothing was refused");
}
