import { spawnSync } from "node:child_process";

/** Under SELinux a container reads only what has its label. Without the categories at its end, every container may. */
export function relabel(folder: string, mountLabel: string): void {
  const shared = mountLabel.split(":").slice(0, 4).join(":");
  const { status, error } = spawnSync("chcon", ["--recursive", shared, folder]);
  if (status !== 0) throw new Error(`chcon could not label ${folder}: ${error?.message ?? `exit ${status}`}`);
}
