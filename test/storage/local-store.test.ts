import { describeStore } from "./store-contract.ts";
import { setUpWorkbench } from "./workbench.ts";

describeStore("the local store", setUpWorkbench);
