import { modelRuns } from "./model-runs.ts";

modelRuns(40, 10_000);
