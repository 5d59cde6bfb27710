import { withField, withoutFields } from "../../core/fields.ts";
import { makeTarget, type TargetUri } from "../../core/target.ts";
import type { Classification } from "../../ecosystems/ecosystem.ts";
import { fieldsToOrigin } from "../../policy/forwarding.ts";
import type { RequestView } from "../../policy/plan.ts";
import type { FillSource } from "../fill/fill-order.ts";
import type { ProxySettings } from "../settings.ts";
import type { Errand } from "./errand.ts";

/** What was meant for the origin that the client named, and for no mirror of it. */
const CREDENTIALS: ReadonlySet<string> = new Set(["authorization", "cookie"]);

/** The same without what a pre-signed URL has after its path: it differs each time. */
export function withoutQuery(target: TargetUri): TargetUri {
  const query = target.path.indexOf("?");
  return query < 0 ? target : makeTarget(target.scheme, target, target.path.slice(0, query));
}

/** What the decisions about a resource go by, beside the request and what is stored. */
export function planContextOf(
  { class: resourceClass, coding, isImmutable, missingFreshForMs }: Classification,
  { rootFreshForMs, targetedFields: targets }: Pick<ProxySettings, "rootFreshForMs" | "targetedFields">,
): Errand["context"] {
  return { class: resourceClass, coding, isImmutable, missingFreshForMs, rootFreshForMs, targets };
}

/** A request for a root in the form that tells when releases were published, where there is one. */
export function askingForTimes(view: RequestView, { acceptWithTimes: accept }: Classification): RequestView {
  if (accept === undefined) return view;
  return { ...view, fields: withField(view.fields, "Accept", accept), record: { ...view.record, accept } };
}

/** The target itself as a source; `conditional` are the fields that revalidate the stored response. */
export function sourceOf({ view, context, reply }: Errand, conditional?: readonly string[]): FillSource {
  const { coding } = context;
  const { pseudonym } = reply;
  return {
    target: view.target,
    fieldsToOrigin: (isConditional) =>
      fieldsToOrigin(view, {
        pseudonym,
        coding,
        whole: true,
        ...(isConditional && conditional !== undefined ? { conditional } : {}),
      }),
  };
}

/** As {@link sourceOf}, for the part that the client asks for. */
export function partSourceOf({ view, context: { coding }, reply: { pseudonym } }: Errand): FillSource {
  return { target: view.target, fieldsToOrigin: () => fieldsToOrigin(view, { pseudonym, coding, whole: false }) };
}

/** Another name at the same origin: asked as the target would be. */
export function sourceBeside(errand: Errand, target: TargetUri): FillSource {
  return sourceOf({ ...errand, view: { ...errand.view, target } });
}

/** Another place where the same bytes can be had: asked without the client's credentials. */
export function sourceElsewhere({ view, context, reply }: Errand, target: TargetUri): FillSource {
  const elsewhere: RequestView = { ...view, target, fields: withoutFields(view.fields, CREDENTIALS) };
  const { pseudonym } = reply;
  return {
    target,
    fieldsToOrigin: () => fieldsToOrigin(elsewhere, { pseudonym, coding: context.coding, whole: true }),
  };
}
