export const DAY_MS = 86_400_000;

/**
 * How far a client's clock may stand from ours. Every certificate begins that long ago, for a guest or container whose
 * clock is behind (a time zone taken for UTC makes up to 14 hours), and a leaf is renewed that long before it ends.
 */
export const CLOCK_SKEW_MS = 1 * DAY_MS;
