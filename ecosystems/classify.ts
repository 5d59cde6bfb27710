import type { TargetUri } from "../core/target.ts";
import type { Classification } from "./ecosystem.ts";

export const OTHER: Classification = { class: "other", ecosystem: undefined, coding: "asked" };

export function classify(_target: TargetUri, _accept: string | undefined): Classification {
  throw new Error("under construction");
}
