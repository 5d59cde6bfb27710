import { LarderError } from "../../core/errors.ts";
import { fieldValue, withField, withoutFields } from "../../core/fields.ts";
import { parseTarget, type TargetUri } from "../../core/target.ts";
import type { Origin, OriginResponse, Question } from "../origin/origin.ts";

const MAX_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What was meant for the first origin alone (RFC 9110 §15.4). */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie"]);

/**
 * Asks for a package file and follows its redirects, so that it is stored under the URI that was asked for, whatever
 * mirror or pre-signed URL it came from this time (departure "package-redirects"). Each hop passes the access rules
 * anew; https never leads to http.
 * @returns the answer at the end; a redirect that leads nowhere is handed on as it is.
 * @throws LarderError as {@link Origin.ask}, or `TOO_MANY_REDIRECTS`.
 */
export async function askThroughRedirects(origin: Origin, question: Question): Promise<OriginResponse> {
  let { target, fields } = question;
  for (let hops = 0; ; hops += 1) {
    const response = await origin.ask({ ...question, target, fields });
    const next = REDIRECTS.has(response.head.status) ? locationOf(response, target) : undefined;
    // Larder's own certificate is for those who ask that origin themselves: whoever was led there may follow.
    const certificate = next === undefined ? undefined : origin.certificateFor(next);
    if (next === undefined || (certificate !== undefined && certificate !== origin.certificateFor(question.target)))
      return response;
    response.discard();
    if (hops === MAX_REDIRECTS) {
      throw new LarderError(
        "TOO_MANY_REDIRECTS",
        `${question.target.authority} redirects more than ${MAX_REDIRECTS} times`,
      );
    }
    const isSameOrigin = next.scheme === target.scheme && next.authority === target.authority;
    fields = withField(isSameOrigin ? fields : withoutFields(fields, CREDENTIALS), "Host", next.authority);
    target = next;
  }
}

function locationOf({ head }: OriginResponse, from: TargetUri): TargetUri | undefined {
  const location = fieldValue(head.fields, "location");
  if (location === undefined || !URL.canParse(location, from.uri)) return undefined;
  // An absolute reference keeps its bytes; a relative one is resolved as RFC 3986 §5.2 says.
  const text = /^https?:\/\//i.test(location) ? location : new URL(location, from.uri).href;
  try {
    const target = parseTarget(text);
    return from.scheme === "https" && target.scheme === "http" ? undefined : target;
  } catch {
    return undefined;
  }
}
