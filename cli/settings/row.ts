/** The kinds of value; readers.ts reads them. */
export type Kind =
  | "path"
  | "listen"
  | "cidr"
  | "hostPattern"
  | "hostName"
  | "sizeOrAuto"
  | "size"
  | "timeout"
  | "duration"
  | "count"
  | "switch"
  | "demand"
  | "nixKey"
  | "url"
  | "age"
  | "packageName"
  | "image"
  | "rangePolicy"
  | "fieldName"
  | "onOff"
  | "logLevel";

/** What `--help` shows in place of a value; a switch has none. */
export const PLACEHOLDERS: Readonly<Record<Kind, string | undefined>> = {
  path: "path",
  listen: "host:port",
  cidr: "cidr",
  hostPattern: "host",
  hostName: "name",
  sizeOrAuto: "size",
  size: "size",
  timeout: "time",
  duration: "time",
  count: "count",
  switch: undefined,
  demand: "demand",
  nixKey: "key",
  url: "url",
  age: "age",
  packageName: "name",
  image: "image",
  rangePolicy: "policy",
  fieldName: "name",
  onOff: "on|off",
  logLevel: "level",
};

export interface SettingRow {
  readonly kind: Kind;
  /** A list: the flag may be given again, the variable holds commas, the file an array. */
  readonly isList: boolean;
  /** As a user would write it; `undefined` where nothing is set unless the user sets it. */
  readonly fallback: string | readonly string[] | undefined;
  readonly help: string;
  /** Why the fallback is what it is. */
  readonly reason: string;
  /** A variable that other programs set for the same thing; the `LARDER_` one goes over it. */
  readonly sharedVariable?: string;
}
