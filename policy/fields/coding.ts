import { listMembers } from "../../core/fields.ts";

/** Whether a client takes a body in that content coding as it is stored (RFC 9110 §12.5.3). */
export function acceptsCoding(acceptEncoding: string | undefined, coding: string): boolean {
  if (acceptEncoding === undefined) return false;
  let wildcard = false;
  for (const member of listMembers(acceptEncoding.toLowerCase())) {
    const [name = "", ...parameters] = member.split(";").map((part) => part.trim());
    const isRefused = parameters.some((parameter) => /^q=0(?:\.0{0,3})?$/.test(parameter));
    if (name === coding || (coding === "gzip" && name === "x-gzip")) return !isRefused;
    if (name === "*") wildcard = !isRefused;
  }
  return wildcard;
}
