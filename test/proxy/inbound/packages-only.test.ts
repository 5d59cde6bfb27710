import { once } from "node:events";
import { describe, expect } from "vitest";
import { get, openTunnel, sendRaw } from "../../support/client.ts";
import { type Bench, test } from "../workbench.ts";

/** A listener for guests that are to reach packages and nothing else. */
const forPackages = ({ proxy }: Bench) => proxy.listen({ host: "127.0.0.1", port: 0, profile: "packages" });

const LIFETIME = { "Cache-Control": "max-age=600" };

describe("a listener for packages", () => {
  test("serves downloads, from the origin and from the store that all share", async ({ startLarder, origin }) => {
    const larder = await startLarder();
    const { port } = await forPackages(larder);
    origin.serve("/a.deb", (_request, response) => void response.writeHead(200, LIFETIME).end("package"));
    const first = await get({ port: larder.port }, `${origin.url}/a.deb`);
    // The profiles do not wait for each other's fills.
    await expect.poll(() => larder.store.find(`GET ${origin.url}/a.deb`)).toHaveLength(1);
    const second = await get({ port }, `${origin.url}/a.deb`);
    expect([first.status, second.status, String(second.body)]).toEqual([200, 200, "package"]);
    expect(origin.takeRequests()).toHaveLength(1);
  });

  test("opens tunnels to look into them, https as well", async ({ startLarder, secureOrigin, authority }) => {
    const larder = await startLarder({ settings: { originRoots: authority.caPem } });
    const { port } = await forPackages(larder);
    secureOrigin.serve("/a.deb", (_request, response) => void response.end("package"));
    const answer = await get({ port, ca: larder.ca }, `${secureOrigin.url}/a.deb`);
    expect([answer.status, String(answer.body)]).toEqual([200, "package"]);
  });

  test.for(["POST", "PUT", "DELETE", "OPTIONS"])("takes no %s", async (method, { startLarder, origin }) => {
    const { port } = await forPackages(await startLarder());
    const { host } = new URL(origin.url);
    const request = `${method} ${origin.url}/ HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`;
    expect(await sendRaw(port, request)).toMatch(/^HTTP\/1\.1 403 .*DESTINATION_NOT_ALLOWED/s);
    expect(origin.takeRequests()).toEqual([]);
  });

  test("takes no content with a GET, and switches to no other protocol", async ({ startLarder, origin }) => {
    const { port } = await forPackages(await startLarder());
    const head = `GET ${origin.url}/ HTTP/1.1\r\nHost: ${new URL(origin.url).host}\r\n`;
    expect(await sendRaw(port, `${head}Content-Length: 3\r\nConnection: close\r\n\r\nabc`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(await sendRaw(port, `${head}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`)).toMatch(/^HTTP\/1\.1 403 /);
    expect(origin.takeRequests()).toEqual([]);
  });

  test("opens no blind tunnel: not to a host of the list, nor for what is no HTTP", async ({ startLarder, origin }) => {
    const { host } = new URL(origin.url);
    const listed = await forPackages(await startLarder({ settings: { tunnel: ["127.0.0.1"] } }));
    const connect = `CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
    expect(await sendRaw(listed.port, connect)).toMatch(/^HTTP\/1\.1 403 .*opens no blind tunnel/s);
    const other = await forPackages(await startLarder());
    const socket = await openTunnel(other.port, host);
    socket.on("error", () => undefined);
    const closed = once(socket, "close");
    socket.write("SSH-2.0-guest\r\n");
    await closed;
    expect(origin.takeRequests()).toEqual([]);
  });

  test.for(["10.1.2.3", "192.168.7.7", "172.16.0.9", "[fd00::1]", "[::ffff:10.1.2.3]"])(
    "reaches no private address: %s, by request, tunnel and mirror URL",
    async (address, { startLarder }) => {
      const larder = await startLarder();
      const { port } = await forPackages(larder);
      const refused = /^HTTP\/1\.1 403 .*DESTINATION_NOT_ALLOWED/s;
      const close = "Connection: close\r\n\r\n";
      expect(await sendRaw(port, `GET http://${address}/a.deb HTTP/1.1\r\nHost: ${address}\r\n${close}`)).toMatch(
        refused,
      );
      expect(await sendRaw(port, `GET /http/${address}/a.deb HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${close}`)).toMatch(
        refused,
      );
      expect(await sendRaw(port, `CONNECT ${address}:443 HTTP/1.1\r\nHost: ${address}:443\r\n\r\n`)).toMatch(refused);
    },
  );

  test("serves nothing of what is closed to it, though it is stored", async ({ startLarder, origin, folder }) => {
    const rootDir = `${folder}/shared`;
    origin.serve("/a.deb", (_request, response) => void response.writeHead(200, LIFETIME).end("package"));
    const before = await startLarder({ rootDir });
    expect((await get({ port: before.port }, `${origin.url}/a.deb`)).status).toBe(200);
    await before.stop();
    const larder = await startLarder({ rootDir, settings: { allowDestinations: [] } });
    const { port } = await forPackages(larder);
    expect((await get({ port: larder.port }, `${origin.url}/a.deb`)).status).toBe(200);
    expect((await get({ port }, `${origin.url}/a.deb`)).status).toBe(403);
  });

  test("follows no redirect to what is closed to it", async ({ startLarder, origin }) => {
    const { port } = await forPackages(await startLarder());
    origin.serve("/a.deb", (_request, response) => {
      response.writeHead(302, { Location: "http://10.1.2.3/a.deb" }).end();
    });
    const answer = await get({ port }, `${origin.url}/a.deb`);
    expect([answer.status, String(answer.body)]).toEqual([403, expect.stringContaining("DESTINATION_NOT_ALLOWED")]);
  });
});
