import { LarderError } from "../../core/errors.ts";
import type { Invocation } from "../line/invocation.ts";
import { note, print, printJson } from "../line/output.ts";
import { readSecret } from "../line/secret.ts";
import { EXIT } from "../line/usage.ts";
import { checkUserName, hashPassword, readUsers, writeUsers } from "../serving/users-file.ts";
import { loadConfig } from "../settings/config.ts";

/**
 * `larder user add`: the password is asked for, or the first line of stdin, so that it stands in no list of processes.
 */
export async function addUser(invocation: Invocation): Promise<number> {
  const { users: file } = loadConfig(invocation).settings;
  const [name = ""] = invocation.operands;
  checkUserName(name);
  const password = await readSecret(`password for ${name}`);
  if (password === "") throw new LarderError("USAGE", "a password is the first line of standard input, and not empty");
  writeUsers(file, new Map([...readUsers(file), [name, await hashPassword(password)]]));
  note(`${file}: ${name} may come in`);
  return EXIT.ok;
}

/** `larder user remove` */
export async function removeUser(invocation: Invocation): Promise<number> {
  const { users: file } = loadConfig(invocation).settings;
  const [name = ""] = invocation.operands;
  const users = new Map(readUsers(file));
  if (!users.delete(name)) throw new LarderError("USAGE", `${file} holds no user ${JSON.stringify(name)}`);
  writeUsers(file, users);
  note(`${file}: ${name} may not come in any more`);
  return EXIT.ok;
}

/** `larder user list` */
export async function listUsers(invocation: Invocation): Promise<number> {
  const names = [...readUsers(loadConfig(invocation).settings.users).keys()];
  if (invocation.flags["json"] === true) printJson(names);
  else for (const name of names) print(name);
  return EXIT.ok;
}
