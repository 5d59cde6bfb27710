type LogMethod = (facts: Readonly<Record<string, unknown>>, message: string) => void;

/**
 * What the rooms need of a logger; pino satisfies it. Facts never hold credentials, cookies or signed query strings.
 */
export interface Log {
  readonly debug: LogMethod;
  readonly info: LogMethod;
  readonly warn: LogMethod;
  readonly error: LogMethod;
}

const ignore: LogMethod = () => undefined;

export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore };
