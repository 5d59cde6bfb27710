import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderAptConf } from "../../clients/apt.ts";
import { LarderError } from "../../core/errors.ts";
import { runProgram } from "../support/programs.ts";

/** A proxy that serves nothing and remembers who was asked for. */
interface DeafProxy {
  readonly url: string;
  readonly asked: Set<string>;
  readonly server: Server;
}

async function startDeafProxy(): Promise<DeafProxy> {
  const asked = new Set<string>();
  const server = createServer((request, response) => {
    asked.add(new URL(request.url ?? "").origin);
    response.writeHead(404).end();
  });
  server.on("connect", (request, socket) => {
    asked.add(`CONNECT ${request.url}`);
    socket.end("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}`, asked, server };
}

let folder: string;
let larder: DeafProxy;
let configured: DeafProxy;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "larder-apt-"));
  [larder, configured] = [await startDeafProxy(), await startDeafProxy()];
});
afterEach(async () => {
  for (const { server } of [larder, configured]) await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

/** Has apt look for two repositories, with all its own configuration in the test's folder. */
async function update(program: "apt" | "apt-get", fragment: string, aptConf: string): Promise<string> {
  for (const made of ["parts", "state/lists/partial", "cache/archives/partial"])
    await mkdir(join(folder, made), { recursive: true });
  await writeFile(join(folder, "parts", "99corporate.conf"), fragment);
  await writeFile(
    join(folder, "sources.list"),
    "deb [trusted=yes] http://plain.larder.test/ ./\ndeb [trusted=yes] https://secure.larder.test/ ./\n",
  );
  const places = [
    `Dir::Etc::Parts "${folder}/parts/";`,
    `Dir::Etc::main "${folder}/none";`,
    `Dir::Etc::sourcelist "${folder}/sources.list";`,
    `Dir::Etc::sourceparts "${folder}/none";`,
    `Dir::State "${folder}/state";`,
    `Dir::Cache "${folder}/cache";`,
    'APT::Sandbox::User "root";',
    'Acquire::Retries "0";',
  ];
  await writeFile(join(folder, "apt.conf"), `${places.join("\n")}\n${aptConf}`);
  const { stderr } = await runProgram(program, ["update"], {
    cwd: folder,
    env: { APT_CONFIG: join(folder, "apt.conf") },
  });
  return stderr;
}

describe("the file for APT_CONFIG", () => {
  for (const program of ["apt", "apt-get"] as const) {
    test(`sends ${program} through larder even where apt.conf.d names and detects another proxy`, async () => {
      const detect = join(folder, "detect");
      await writeFile(detect, `#!/bin/sh\necho ${configured.url}\n`, { mode: 0o755 });
      const fragment = [
        `Acquire::http::Proxy "${configured.url}";`,
        `Acquire::https::Proxy "${configured.url}";`,
        `Acquire::http::Proxy-Auto-Detect "${detect}";`,
        "",
      ].join("\n");
      await update(program, fragment, renderAptConf({ proxyUrl: larder.url, bundleFile: "/etc/ssl/none.pem" }));
      expect([...configured.asked]).toEqual([]);
      expect([...larder.asked].sort()).toEqual(["CONNECT secure.larder.test:443", "http://plain.larder.test"]);
    });
  }

  test("leaves a host alone that apt.conf.d reaches in a way of its own", async () => {
    const fragment = `Acquire::http::Proxy::plain.larder.test "${configured.url}";\n`;
    await update("apt-get", fragment, renderAptConf({ proxyUrl: larder.url, bundleFile: "/etc/ssl/none.pem" }));
    expect([...configured.asked]).toEqual(["http://plain.larder.test"]);
    expect([...larder.asked]).toEqual(["CONNECT secure.larder.test:443"]);
  });

  test("is refused a path that apt.conf cannot hold", () => {
    for (const bundleFile of ['/a"b', "/a\\b", "/a\nb"]) {
      const render = () => renderAptConf({ proxyUrl: larder.url, bundleFile });
      expect(render).toThrow(expect.objectContaining({ code: "CONFIG_BAD_VALUE" }));
      expect(render).toThrow(LarderError);
    }
  });
});
