import { expect, test } from "vitest";
import { withoutSecrets } from "../../../cli/serving/log.ts";

test("what may be a secret is blotted out, one level deep and two", () => {
  const facts = { cookie: "a=b", fields: { authorization: "Basic dTpw", accept: "*/*" }, status: 200 };
  expect(withoutSecrets(facts)).toEqual({
    cookie: "[Redacted]",
    fields: { authorization: "[Redacted]", accept: "*/*" },
    status: 200,
  });
  expect(facts.cookie).toBe("a=b");
});

test("facts without a secret are told as they are, errors included", () => {
  const facts = { err: new Error("gone"), target: "https://host.test/", session: undefined };
  expect(withoutSecrets(facts)).toBe(facts);
});
