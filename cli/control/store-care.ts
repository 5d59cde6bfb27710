import type { StoreKeeping } from "../../storage/maintenance/keeping.ts";

/** What commands have done to a store, by whoever writes it. */
export type StoreCare = StoreKeeping;

export type CareVerb = keyof StoreCare;

/** What may be asked over the control socket. */
export const CARE_VERBS: readonly CareVerb[] = ["collect", "purge", "pin", "unpin", "judge"];
