import { withKernelWords } from "../../clients/vm/qemu-arguments.ts";
import { LarderError } from "../../core/errors.ts";
import type { Invocation } from "../line/invocation.ts";
import { runChild } from "../session/child.ts";
import { endingWithUs } from "../session/ending-with-us.ts";
import { inSession } from "../session/in-session.ts";
import { loadConfig } from "../settings/config.ts";
import { prepareVm, stdioGateway } from "../vm/vm-access.ts";

/** What gives a guest another way out than ours. */
const NETWORK_OPTION = /^--?(?:nic|net|netdev)$/;

/** `larder vm -- qemu-system-x86_64 …`: the guest has a session of its own, which ends with it. */
export async function vm(invocation: Invocation): Promise<number> {
  const { flags, operands } = invocation;
  const isIsolated = flags["isolated"] === true;
  if (isIsolated) refuseOtherNetworks(operands);
  const name = typeof flags["session"] === "string" ? flags["session"] : "vm";
  const asked = { config: loadConfig(invocation), name, profile: isIsolated ? "packages" : "everything" } as const;
  return inSession(invocation, asked, async ({ env }, session, signals) => {
    const { port, host } = new URL(session.proxyUrl);
    const isolatedBy = isIsolated ? stdioGateway("--to", host) : undefined;
    const { caFile } = session.trust;
    const { qemuArguments, kernelWords } = prepareVm(invocation, { port: Number(port), caFile, isolatedBy });
    const command = [...withKernelWords(operands, kernelWords), ...qemuArguments];
    return runChild(endingWithUs(command, env), env, signals);
  });
}

function refuseOtherNetworks(command: readonly string[]): void {
  const other = command.find((word) => NETWORK_OPTION.test(word));
  if (other === undefined) return;
  throw new LarderError("USAGE", `${other} gives the guest a network beside larder's; leave it out with --isolated`);
}
