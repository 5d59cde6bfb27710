/** The build argument that names what an image is built from. */
export const BASE_IMAGE = "BASE_IMAGE";

/** What a Containerfile says about {@link BASE_IMAGE}. */
export interface BaseImageArgument {
  /**
   * Its default, earlier defaults filled in; `undefined` when it has none, or one that rests on what is not known here.
   */
  readonly fallback: string | undefined;
}

/**
 * What a Containerfile's `ARG BASE_IMAGE` says, or `undefined` when it has none: giving the argument to such a build
 * has no effect but a warning. The first one counts: `FROM` sees only what stands before it.
 * @param text of the Containerfile or Dockerfile
 * @see https://docs.docker.com/reference/dockerfile/#arg
 */
export function readBaseImageArgument(text: string): BaseImageArgument | undefined {
  const known = new Map<string, string | undefined>();
  for (const [, words = ""] of joinedLines(text).matchAll(/^[ \t]*ARG[ \t]+(.*)$/gim)) {
    for (const word of splitWords(words)) {
      const [name = "", ...rest] = word.split("=");
      const fallback = rest.length === 0 ? undefined : expand(unquote(rest.join("=")), known);
      if (name === BASE_IMAGE) return { fallback };
      known.set(name, fallback);
    }
  }
  return undefined;
}

/**
 * What a user should know when the image that was given once is not the one that this Containerfile names by itself: a
 * build without larder starts from another. `undefined` when they agree, or nothing can be compared.
 */
export function describeBaseImageDifference(
  baseImage: string,
  argument: BaseImageArgument | undefined,
): string | undefined {
  if (argument?.fallback === undefined || argument.fallback === baseImage) return undefined;
  return `${BASE_IMAGE} is ${baseImage}, but the Containerfile's ARG ${BASE_IMAGE} says ${argument.fallback}; builds without larder start from that one`;
}

/** Instructions on one line each, without comments, which may also stand between the lines of one. */
function joinedLines(text: string): string {
  const continued = /^#[ \t]*escape[ \t]*=[ \t]*`/im.test(text) ? "`" : "\\";
  const lines = text.split(/\r?\n/).filter((line) => !/^[ \t]*#/.test(line));
  return lines
    .map((line) => {
      const trimmed = line.trimEnd();
      return trimmed.endsWith(continued) ? trimmed.slice(0, -1) : `${line}\n`;
    })
    .join("");
}

function splitWords(text: string): string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'])+/g) ?? [];
}

function unquote(text: string): string {
  return text.replace(
    /"((?:\\.|[^"\\])*)"|'([^']*)'/g,
    (_, double, single) => single ?? double.replace(/\\(.)/g, "$1"),
  );
}

/** Fills in `$NAME`, `${NAME}` and `${NAME:-default}` (or `-`); `undefined` when a name has no value here. */
function expand(text: string, known: ReadonlyMap<string, string | undefined>): string | undefined {
  let isKnown = true;
  const filled = text.replace(/\$(?:(\w+)|\{(\w+)(?::?-([^}]*))?\})/g, (_, plain, braced, otherwise) => {
    const value = known.get(plain ?? braced) ?? otherwise;
    if (value === undefined) isKnown = false;
    return value ?? "";
  });
  return isKnown ? filled : undefined;
}
