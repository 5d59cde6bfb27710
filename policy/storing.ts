import type { Realm } from "../core/entry.ts";
import type { RawFields } from "../core/fields.ts";
import type { ExchangeTimes, PlanContext, RequestView, ResponseHead } from "./plan.ts";

export type Judgement =
  | {
      readonly store: true;
      readonly variant: string;
      readonly selecting: RawFields;
      readonly realm: Realm;
      readonly fields: RawFields;
    }
  | { readonly store: false; readonly reason: string };

export function judge(_request: RequestView, _head: ResponseHead, _context: PlanContext & ExchangeTimes): Judgement {
  throw new Error("under construction");
}
