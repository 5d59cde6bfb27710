import { basename } from "node:path";
import { renderAptConf } from "../../clients/apt.ts";
import { BASE_IMAGE } from "../../clients/base-image.ts";
import { readEngineCall } from "../../clients/engine-call.ts";
import { proxyVariables, trustVariables } from "../../clients/environment.ts";
import type { Invocation } from "../line/invocation.ts";
import { runChild, type SignalRelay } from "../session/child.ts";
import { type Handover, writeHandover } from "../session/handover.ts";
import { inSession } from "../session/in-session.ts";
import type { RunSession } from "../session/run-session.ts";
import { type Config, loadConfig } from "../settings/config.ts";
import type { Environment } from "../settings/directories.ts";

/** `larder run -- CMD…`: the command's exit code is ours; what larder itself has to say goes to stderr. */
export async function run(invocation: Invocation): Promise<number> {
  if (readEngineCall(invocation.operands) !== undefined) return (await import("./build.ts")).build(invocation);
  const config = loadConfig(invocation);
  const [program = ""] = invocation.operands;
  const env = withBaseImage(config, invocation.env);
  return inSession({ ...invocation, env }, { config, name: basename(program) }, runInSession);
}

async function runInSession({ env, operands }: Invocation, session: RunSession, signals: SignalRelay): Promise<number> {
  const handover = writeHandover(session.trust, ({ bundleFile }) => renderAptConf({ ...session, bundleFile }));
  try {
    return await runChild(operands, childEnvironment(env, session, handover), signals);
  } finally {
    handover.remove();
  }
}

/** Given once, the image is the same for whatever the command builds or starts. */
function withBaseImage({ settings: { baseImage } }: Config, env: Environment): Environment {
  return baseImage === undefined ? env : { ...env, [BASE_IMAGE]: baseImage };
}

function childEnvironment(env: Environment, { proxyUrl }: RunSession, handover: Handover): Environment {
  return {
    ...env,
    ...proxyVariables({ proxyUrl }),
    ...trustVariables(handover),
    APT_CONFIG: handover.aptConfFile,
  };
}
