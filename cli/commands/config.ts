import { withoutCredentials } from "../../proxy/origin/parents.ts";
import type { Invocation } from "../line/invocation.ts";
import { print, printJson, tabulate } from "../line/output.ts";
import { EXIT } from "../line/usage.ts";
import { loadConfig, type Origin } from "../settings/config.ts";
import { describeParent } from "../settings/parents.ts";
import { SETTING_KEYS } from "../settings/settings.ts";

/** `larder config`: every setting, its value and where it came from. */
export async function showConfig(invocation: Invocation): Promise<number> {
  const { settings, origins, written, repositories, originFiles, parents } = loadConfig(invocation);
  if (invocation.flags["json"] === true) {
    const values = SETTING_KEYS.map((key) => [key, { value: settings[key], ...origins[key] }]);
    const shown = parents.map((parent) => ({ ...parent, routes: parent.routes.map(withoutCredentials) }));
    printJson({ ...Object.fromEntries(values), repositories, originFiles, parents: shown });
    return EXIT.ok;
  }
  for (const line of tabulate(SETTING_KEYS.map((key) => [key, written[key].join(", "), describeOrigin(origins[key])])))
    print(line);
  for (const { name, ecosystem, bases } of repositories) print(`${name}: ${ecosystem} at ${bases.join(", ")}`);
  for (const { host, client, caFile } of originFiles)
    print(
      `origin ${host}: ${[client?.certFile, client?.keyFile, caFile].filter((file) => file !== undefined).join(", ")}`,
    );
  for (const parent of parents) print(`parent: ${describeParent(parent)}`);
  return EXIT.ok;
}

function describeOrigin(origin: Origin): string {
  return origin.from === "default" ? "default" : `${origin.from} ${origin.name}`;
}
