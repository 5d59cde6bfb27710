import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { dirname, join } from "node:path";
import type { Handler } from "../origin.ts";
import { cleanEnvironment, mustRun } from "../programs.ts";

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

/** Git needs to know who commits. */
const COMMITTER = ["-c", "user.name=larder", "-c", "user.email=larder@larder.test"];

/** Makes a bare repository `<folder>/<name>.git` of one commit. @param folder is there */
export async function createGitRepository(
  folder: string,
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const tree = join(folder, name);
  const git = (...args: readonly string[]) => mustRun("git", args, { cwd: tree });
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(tree, file)), { recursive: true });
    await writeFile(join(tree, file), text);
  }
  await git("init", "--quiet", "--initial-branch=master");
  await git("add", ".");
  await git(...COMMITTER, "commit", "--quiet", "--message=one");
  await git("clone", "--quiet", "--bare", ".", `../${name}.git`);
}
