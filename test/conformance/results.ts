/** A test as the suite describes it. */
export interface SuiteTest {
  readonly id: string;
  readonly name: string;
  /** Nothing said means `required`. */
  readonly kind?: Kind;
  /** Tests that must pass for this one to say anything. */
  readonly depends_on?: readonly string[];
  readonly browser_only?: boolean;
  readonly dump?: boolean;
}

export interface Suite {
  readonly id: string;
  readonly name: string;
  readonly tests: readonly SuiteTest[];
}

/** What the standard demands; what makes a cache useful; what the suite only wants to know. */
export type Kind = "required" | "optimal" | "check";

/** By test: `true`, or the kind of failure and what was seen. */
export type RawResults = Readonly<Record<string, true | readonly [kind: string, message: string]>>;

/** What came out of one test: `untold` where a test that it depends on has failed. */
export interface Result {
  readonly id: string;
  readonly name: string;
  readonly kind: Kind;
  readonly outcome: "passed" | "failed" | "untold";
  readonly message: string;
}

/** The tests that say something about a shared cache. */
export function applicableTests(suites: readonly Suite[]): readonly SuiteTest[] {
  return suites.flatMap(({ tests }) => tests).filter((test) => test.browser_only !== true);
}

/** Reads results as cache-tests.fyi does: a test whose dependency failed has not passed. */
export function judgeResults(suites: readonly Suite[], raw: RawResults): readonly Result[] {
  const tests = new Map(applicableTests(suites).map((test) => [test.id, test]));
  const hasPassed = (id: string): boolean => raw[id] === true && dependenciesPassed(id);
  const dependenciesPassed = (id: string): boolean => (tests.get(id)?.depends_on ?? []).every(hasPassed);
  const judged = [...tests.values()].map(({ id, name, kind = "required" }): Result | undefined => {
    const result = raw[id];
    if (result === undefined) return undefined;
    const outcome = !dependenciesPassed(id) ? "untold" : result === true ? "passed" : "failed";
    return { id, name, kind, outcome, message: result === true ? "" : result.join(": ") };
  });
  return judged.filter((result) => result !== undefined);
}

/** How many of a kind passed, and how many there are. */
export function count(results: readonly Result[], kind: Kind): { readonly passed: number; readonly of: number } {
  const ofKind = results.filter((result) => result.kind === kind);
  return { passed: ofKind.filter(({ outcome }) => outcome === "passed").length, of: ofKind.length };
}
