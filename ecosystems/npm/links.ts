import { isObject, type Relink, readObject } from "../page.ts";

/** Packuments, full and abbreviated: `versions.*.dist.tarball` is what npm fetches, always an absolute URL. */
export function rewritePackument(page: string, contentType: string, relink: Relink): string {
  if (!/^application\/(?:vnd\.npm\..*\+)?json$/.test(contentType)) return page;
  const packument = readObject(page);
  let isRewritten = false;
  for (const version of Object.values(objectIn(packument, "versions") ?? {})) {
    const dist = objectIn(version, "dist");
    if (dist === undefined || typeof dist["tarball"] !== "string") continue;
    dist["tarball"] = relink(dist["tarball"]);
    isRewritten = true;
  }
  return isRewritten ? JSON.stringify(packument) : page;
}

function objectIn(holder: unknown, name: string): Record<string, unknown> | undefined {
  const value = isObject(holder) && Object.hasOwn(holder, name) ? holder[name] : undefined;
  return isObject(value) ? value : undefined;
}
