import { readdir, readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";

export const ROOT = resolve(import.meta.dirname, "../..");

/** A fenced block of code: its language and its lines. */
export interface CodeBlock {
  readonly language: string;
  readonly lines: readonly string[];
}

export interface Document {
  /** Relative to the root of the repository. */
  readonly path: string;
  readonly text: string;
  readonly blocks: readonly CodeBlock[];
  /** What stands between single backticks outside of blocks. */
  readonly spans: readonly string[];
  /** Targets of links, without those that lead to another site. */
  readonly links: readonly string[];
}

const FENCE = /^```(\w*)\n([\s\S]*?)^```$/gm;

/** Every document of the repository: the Markdown files of its root, and all below `docs/`. */
export async function readDocuments(): Promise<readonly Document[]> {
  const top = (await readdir(ROOT)).map((name) => resolve(ROOT, name));
  const docs = await readdir(resolve(ROOT, "docs"), { recursive: true });
  const all = [...top, ...docs.map((name) => resolve(ROOT, "docs", name))];
  return Promise.all(all.filter((path) => path.endsWith(".md")).map(readDocument));
}

async function readDocument(path: string): Promise<Document> {
  const text = await readFile(path, "utf8");
  const prose = text.replace(FENCE, "");
  return {
    path: relative(ROOT, path),
    text,
    blocks: [...text.matchAll(FENCE)].map(([, language = "", body = ""]) => ({
      language,
      lines: body.trimEnd().split("\n"),
    })),
    spans: [...prose.matchAll(/`([^`\n]+)`/g)].map(([, span = ""]) => span),
    links: [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to = ""]) => to).filter((to) => !/^\w+:/.test(to)),
  };
}
