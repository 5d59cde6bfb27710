import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { bytesHandler } from "../files.ts";
import type { Origin } from "../origin.ts";

export interface PythonMirrorOptions {
  /** The folder that {@link createPythonIndex} made. */
  readonly index: string;
  /** Who has the pages. */
  readonly pages: Origin;
  /** Who has the files. */
  readonly files: Origin;
  /** The forms in which there are pages, whatever clients prefer. */
  readonly forms?: readonly PageForm[];
  /** By which digest files are declared. */
  readonly algorithm?: string;
  /** PEP 700's time of every file. */
  readonly uploadTime?: string;
}

export type PageForm = "json" | "html";

const JSON_TYPE = "application/vnd.pypi.simple.v1+json";

interface File {
  readonly name: string;
  readonly url: string;
  readonly bytes: Buffer;
  readonly metadata: Buffer | undefined;
}

/** Publishes an index as PyPI does: pages at one host, in HTML and JSON by Accept; wheels with their metadata at another. */
export async function servePythonMirror(options: PythonMirrorOptions): Promise<void> {
  const { index, pages, files, forms = ["json", "html"] } = options;
  const folder = join(index, "packages");
  for (const project of await readdir(join(index, "simple"))) {
    const names = (await readdir(folder)).filter((name) => name.replace(/_/g, "-").startsWith(`${project}-`));
    const found = await Promise.all(
      names.map(async (name): Promise<File> => {
        const bytes = await readFile(join(folder, name));
        const metadata = name.endsWith(".whl") ? metadataOf(name) : undefined;
        files.serve(`/files/${name}`, bytesHandler(bytes));
        if (metadata !== undefined) files.serve(`/files/${name}.metadata`, bytesHandler(metadata));
        return { name, url: `${files.url}/files/${name}`, bytes, metadata };
      }),
    );
    const [json, html] = [Buffer.from(jsonPage(project, found, options)), Buffer.from(htmlPage(found, options))];
    pages.serve(`/simple/${project}/`, (request, response) => {
      const isJson = forms.includes("json") && (!forms.includes("html") || request.headers.accept?.includes(JSON_TYPE));
      const type = { "Content-Type": isJson ? JSON_TYPE : "text/html", Vary: "Accept" };
      return bytesHandler(isJson ? json : html, type)(request, response);
    });
  }
}

/** What the wheel itself says, as `createPythonIndex` wrote it. */
function metadataOf(wheel: string): Buffer {
  return Buffer.from(`Metadata-Version: 2.1\nName: ${wheel.split("-")[0]}\nVersion: 1.0\n`);
}

function jsonPage(name: string, files: readonly File[], options: PythonMirrorOptions): string {
  const { algorithm = "sha256", uploadTime = "2020-03-04T10:00:00.000000Z" } = options;
  return JSON.stringify({
    meta: { "api-version": "1.1" },
    name,
    versions: ["1.0"],
    files: files.map(({ name: filename, url, bytes, metadata }) => ({
      filename,
      url,
      hashes: { [algorithm]: digest(bytes, algorithm) },
      size: bytes.length,
      "upload-time": uploadTime,
      yanked: false,
      ...(metadata === undefined ? {} : { "core-metadata": { sha256: digest(metadata, "sha256") } }),
    })),
  });
}

function htmlPage(files: readonly File[], { algorithm = "sha256" }: PythonMirrorOptions): string {
  const links = files.map(({ name, url, bytes, metadata }) => {
    const sum = metadata === undefined ? "" : ` data-dist-info-metadata="sha256=${digest(metadata, "sha256")}"`;
    return `<a href="${url}#${algorithm}=${digest(bytes, algorithm)}"${sum}>${name}</a><br/>`;
  });
  return `<!DOCTYPE html>\n<html><body>\n${links.join("\n")}\n</body></html>\n`;
}

function digest(bytes: Buffer, algorithm: string): string {
  return createHash(algorithm).update(bytes).digest("hex");
}
