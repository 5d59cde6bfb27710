import { setFlagsFromString } from "node:v8";

/**
 * Keeps V8's young generation at the size it has now, for the whole process. Bodies pass as short-lived buffers outside
 * of the heap, which V8 frees when it collects that generation; where it may grow, more of them lie about. Measured
 * with 1 GiB at full speed on Node 20: resident memory peaked at 125 instead of 146 MB; reading an index of packages
 * took no longer.
 */
export function keepYoungGenerationSmall(): void {
  setFlagsFromString("--semi-space-growth-factor=1");
}
