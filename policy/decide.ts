import type { Entry } from "../core/entry.ts";
import type { Plan, PlanContext, RequestView } from "./plan.ts";

/** Decides what is to be done with a GET or HEAD, given every stored response of `GET <target URI>`. */
export function decide(_request: RequestView, _entries: readonly Entry[], _context: PlanContext): Plan {
  throw new Error("under construction");
}
