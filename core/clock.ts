/** Tells the time: milliseconds since the Unix epoch. An argument wherever time matters, so that tests can move it. */
export type Clock = () => number;

export const systemClock: Clock = () => Date.now();
