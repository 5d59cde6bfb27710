import { shellQuote } from "../../core/shell.ts";
import type { ClientAccess } from "../audience.ts";
import { renderEnvFragment } from "../fragments.ts";
import { oneLine } from "../one-line.ts";

/** `KEY=value` lines, for `set -a; . FILE`. */
export function renderEnv({ variables }: ClientAccess): string {
  return renderEnvFragment(variables);
}

/** Lines that a POSIX shell evaluates: `eval "$(larder proxy-env --format sh)"`. */
export function renderSh({ variables }: ClientAccess): string {
  return lines(variables, (name, value) => `export ${name}=${shellQuote(value)}`);
}

/** Lines for fish, whose single quotes know two escapes: https://fishshell.com/docs/current/language.html#quotes */
export function renderFish({ variables }: ClientAccess): string {
  return lines(variables, (name, value) => `set -gx ${name} '${value.replace(/[\\']/g, "\\$&")}'`);
}

/**
 * A drop-in for a service: inside double quotes systemd unescapes `\` and expands `%`; `$` means itself in
 * Environment=.
 * @see systemd.exec(5), systemd.syntax(7)
 */
export function renderSystemd({ variables }: ClientAccess): string {
  const quoted = (text: string) => `"${text.replace(/[\\"]/g, "\\$&").replaceAll("%", "%%")}"`;
  const head = "# Written by larder: a file such as /etc/systemd/system/nix-daemon.service.d/larder.conf\n[Service]\n";
  return head + lines(variables, (name, value) => `Environment=${quoted(`${name}=${value}`)}`);
}

function lines(variables: ClientAccess["variables"], line: (name: string, value: string) => string): string {
  return Object.entries(variables)
    .map(([name, value]) => `${line(name, oneLine(value))}\n`)
    .join("");
}
