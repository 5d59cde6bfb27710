import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { runProgram } from "../../test/support/programs.ts";
import { findFreePort, portIfOpen } from "../servers.ts";
import { type Contestant, findProgram, type Surroundings } from "./contestant.ts";

/** nginx with proxy_cache. It knows no CONNECT: on https it is a reverse proxy with a certificate of its own. */
export const nginx: Contestant = {
  name: "nginx",
  version: async () => {
    const program = await findProgram("nginx");
    if (program === undefined) return undefined;
    const { stderr } = await runProgram(program, ["-v"], { cwd: "/" });
    return /nginx\/\S+/.exec(stderr)?.[0];
  },
  absence: async () => ((await findProgram("nginx")) === undefined ? "not installed" : undefined),
  start: async (surroundings) => {
    const { workbench, authority, folder } = surroundings;
    const ports = { http: await findFreePort(), https: await findFreePort() };
    const { cert, key } = authority.certificate("good");
    await writeFile(join(folder, "server.pem"), cert + key);
    await writeFile(join(folder, "nginx.conf"), configuration(surroundings, ports));
    const program = (await findProgram("nginx")) ?? "nginx";
    const args = ["-p", folder, "-c", join(folder, "nginx.conf"), "-e", "stderr"];
    const server = workbench.start({ program, args, folder });
    await server.ready(() => portIfOpen(ports.https));
    return {
      server,
      routes: {
        http: { port: ports.http, form: "absolute" },
        https: { port: ports.https, form: "origin", ca: authority.caPem },
      },
    };
  },
};

type Ports = Readonly<Record<"http" | "https", number>>;

/**
 * Limits that would end a connection or evict during a run are lifted; all else that is not named is nginx's own
 * default. The origin's certificate is checked for a name, because nginx compares no addresses.
 */
function configuration({ authority, originPorts, folder }: Surroundings, ports: Ports): string {
  return `
${process.getuid?.() === 0 ? "user root;" : ""}
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log ${folder}/access.log;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_body_temp_path ${folder}/client_body;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  proxy_temp_path ${folder}/proxy;
  proxy_cache_path ${folder}/cache levels=1:2 keys_zone=bench:16m max_size=16g use_temp_path=off;
  proxy_cache bench;
  proxy_cache_lock on;
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_max_temp_file_size 2048m;
  upstream plain { server 127.0.0.1:${originPorts.http}; keepalive 16; keepalive_requests 1000000; }
  upstream secure { server 127.0.0.1:${originPorts.https}; keepalive 16; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${ports.http};
    location / { proxy_pass http://plain; }
  }
  server {
    listen 127.0.0.1:${ports.https} ssl;
    ssl_certificate ${folder}/server.pem;
    ssl_certificate_key ${folder}/server.pem;
    location / {
      proxy_pass https://secure;
      proxy_ssl_verify on;
      proxy_ssl_name localhost;
      proxy_ssl_trusted_certificate ${authority.caFile};
    }
  }
}
`;
}
