export interface Credentials {
  readonly name: string;
  readonly password: string;
}

/**
 * Reads `Basic` credentials (RFC 7617 §2), whose text is UTF-8; `undefined` for any other scheme, and for what cannot
 * be read.
 */
export function readBasic(field: string | undefined): Credentials | undefined {
  const token = /^basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(field ?? "")?.[1];
  if (token === undefined) return undefined;
  const [, name, password] = /^([^:]+):(.*)$/s.exec(Buffer.from(token, "base64").toString("utf8")) ?? [];
  return name === undefined || password === undefined ? undefined : { name, password };
}
