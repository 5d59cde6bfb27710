import { modelRuns } from "./model-runs.ts";

modelRuns(1_000, 600_000);
