import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import type { Authority } from "../../certs/authority.ts";
import { LeafContexts } from "../../certs/contexts.ts";
import { systemClock } from "../../core/clock.ts";
import type { Environment } from "../settings/directories.ts";
import { askProgram } from "./ask-program.ts";
import { bad, type Finding, good, note } from "./finding.ts";

/** How each tool is made to ask an https server for something; whether it is content with the answer does not count. */
const TOOLS: Readonly<Record<string, (url: string) => readonly string[]>> = {
  curl: (url) => ["-sS", url],
  wget: (url) => ["-qO-", "--tries=1", url],
  git: (url) => ["ls-remote", url],
  python3: (url) => ["-c", `import urllib.request; urllib.request.urlopen("${url}")`],
  pip3: (url) => ["download", "--no-cache-dir", "--retries=0", "--dest", tmpdir(), "--index-url", url, "larder"],
  node: (url) => ["-e", `require("node:https").get("${url}", (answer) => answer.resume())`],
  npm: (url) => ["view", `--registry=${url}`, "--fetch-retries=0", "larder"],
  "/usr/lib/apt/apt-helper": (url) => ["-oAcquire::Retries=0", "download-file", url, "/dev/null"],
  nix: (url) => ["--extra-experimental-features", "nix-command", "store", "ping", "--store", url],
};

/** Asked directly: it is the certificate that is tried, not the way. */
const DIRECT = { no_proxy: "*", NO_PROXY: "*", npm_config_noproxy: "localhost" };

/**
 * Finds out which of the installed tools trust the CA in this environment, by having each of them connect to a server
 * that shows a leaf of it. A tool that goes through larder and does not trust it is a fault; one that does not go there
 * is told of.
 */
export async function checkTrust(authority: Authority, env: Environment, isRouted: boolean): Promise<Finding[]> {
  const contexts = new LeafContexts({ authority, clock: systemClock, maxContexts: 1 });
  const askers = new Set<string>();
  const server = createServer({ SNICallback: (_, done) => done(null, contexts.contextFor("localhost")) });
  server.on("request", (request, response) => {
    askers.add((request.url ?? "").split("/")[1] ?? "");
    response.writeHead(404).end();
  });
  // A client that does not trust the leaf is what is to be found out.
  server.on("tlsClientError", () => undefined);
  server.listen(0, "localhost");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  try {
    const asked = Object.entries(TOOLS).map(async ([program, args], index) => {
      const said = await askProgram(program, args(`https://localhost:${port}/${index}/`), { ...env, ...DIRECT });
      return said === undefined ? [] : [tell(program, askers.has(String(index)), isRouted)];
    });
    return (await Promise.all(asked)).flat();
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function tell(program: string, isTrusting: boolean, isRouted: boolean): Finding {
  const name = program.slice(program.lastIndexOf("/") + 1);
  const check = `trust of ${name === "apt-helper" ? "apt" : name}`;
  if (isTrusting) return good(check, "trusts the CA here");
  const withoutVariable = WITHOUT_VARIABLE[name];
  if (withoutVariable !== undefined)
    return note(check, "does not trust the CA, for no variable tells it", withoutVariable);
  const cure = 'eval "$(larder proxy-env --format sh)"';
  if (!isRouted) return note(check, "does not trust the CA here, nor is this shell's way through larder", cure);
  return bad(check, "goes through larder in this shell, and does not trust its CA", cure);
}

/** The cures of tools that take their roots from no variable: being set up as larder says, they do not trust it. */
const WITHOUT_VARIABLE: Readonly<Record<string, string>> = {
  "apt-helper": "larder proxy-env --format apt, or run it by `larder run`",
  wget: 'wget --ca-certificate="$SSL_CERT_FILE" …',
};
