import type { SettingKey } from "../../settings/settings.ts";
import { CA_KEYS, type CommandSpec, JSON_OPTION } from "../command-spec.ts";

const USER_KEYS = ["config", "users"] as const satisfies readonly SettingKey[];

/** Who may come in, and what they are to trust. */
export const ACCESS_COMMANDS: readonly CommandSpec[] = [
  {
    usage: "user",
    summary: "users who may come in from anywhere by name and password",
    commands: [
      {
        usage: "add <name>",
        summary: "add a user, or give one a new password, which is the first line of standard input",
        settings: USER_KEYS,
        options: [],
        examples: [["pass builds/larder | larder user add builder", "no password in a list of processes or a history"]],
        load: async () => (await import("../../commands/user.ts")).addUser,
      },
      {
        usage: "remove <name>",
        summary: "remove a user",
        settings: USER_KEYS,
        options: [],
        examples: [["larder user remove builder", "from the next start on"]],
        load: async () => (await import("../../commands/user.ts")).removeUser,
      },
      {
        usage: "list",
        summary: "the users' names",
        settings: USER_KEYS,
        options: [JSON_OPTION],
        examples: [["larder user list", "one a line"]],
        load: async () => (await import("../../commands/user.ts")).listUsers,
      },
    ],
  },
  {
    usage: "ca",
    summary: "the certificate authority that clients are to trust",
    commands: [
      {
        usage: "show",
        summary: "subject, fingerprint, validity and files of the CA",
        settings: CA_KEYS,
        options: [["--pem", "print the certificate itself"], JSON_OPTION],
        examples: [["larder ca show --pem > larder.crt", "to install it elsewhere"]],
        load: async () => (await import("../../commands/ca.ts")).showAuthority,
      },
      {
        usage: "path",
        summary: "where the CA certificate is",
        settings: CA_KEYS,
        options: [JSON_OPTION],
        examples: [['curl --cacert "$(larder ca path)" …', "one command that trusts it"]],
        load: async () => (await import("../../commands/ca.ts")).showAuthorityPath,
      },
    ],
  },
];
