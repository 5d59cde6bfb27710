import { spawn } from "node:child_process";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Handler } from "./origin.ts";
import { cleanEnvironment } from "./programs.ts";

/** Serves the repositories below a folder by git's own CGI program (git-http-backend), for clones and pushes. */
export function gitHandler(folder: string): Handler {
  return async (request, response) => {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const {
      "content-type": type = "",
      "content-encoding": coding = "",
      "content-length": length = "",
    } = request.headers;
    const cgi = spawn("git", ["http-backend"], {
      env: cleanEnvironment(folder, {
        GIT_PROJECT_ROOT: folder,
        GIT_HTTP_EXPORT_ALL: "1",
        REMOTE_USER: "tester",
        REQUEST_METHOD: request.method ?? "",
        PATH_INFO: path,
        QUERY_STRING: query,
        CONTENT_TYPE: type,
        HTTP_CONTENT_ENCODING: coding,
        ...(length === "" ? {} : { CONTENT_LENGTH: length }),
        GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
      }),
      stdio: ["pipe", "pipe", "inherit"],
    });
    cgi.stdin.on("error", () => undefined);
    request.pipe(cgi.stdin);
    await answer(request, response, cgi.stdout);
  };
}

/** CGI (RFC 3875 §6): fields, an empty line, the body. */
async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  output: AsyncIterable<Buffer>,
): Promise<void> {
  let head = Buffer.alloc(0);
  for await (const chunk of output) {
    if (response.headersSent) {
      response.write(chunk);
      continue;
    }
    head = Buffer.concat([head, chunk]);
    const end = head.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const lines = head.toString("latin1", 0, end).split("\r\n");
    const fields = lines.map((line) => line.split(": ", 2) as [string, string]);
    const status = fields.find(([name]) => name === "Status")?.[1] ?? "200";
    response.writeHead(Number.parseInt(status, 10), fields.filter(([name]) => name !== "Status").flat());
    response.write(head.subarray(end + 4));
  }
  request.resume();
  response.end();
}
