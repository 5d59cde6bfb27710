import { EXIT } from "./usage.ts";

/** Writes one line to stdout. */
export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Writes a value as indented JSON to stdout, for programs. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, undefined, 2));
}

/** Writes one line of larder's own to stderr, which stays free for what a person should know. */
export function note(line: string): void {
  process.stderr.write(`larder: ${line}\n`);
}

/** Lines up the cells in columns two spaces apart; the last column keeps its own width. */
export function tabulate(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [column, cell] of row.entries()) widths[column] = Math.max(widths[column] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0)))
      .join("  ")
      .trimEnd(),
  );
}

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

/** `1.2 MiB`: for people; programs get the number. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const amount = bytes / 1024 ** power;
  return `${power === 0 ? amount : amount.toFixed(1)} ${BYTE_UNITS[power]}`;
}

const AGE_UNITS = [
  { name: "d", ms: 86_400_000 },
  { name: "h", ms: 3_600_000 },
  { name: "min", ms: 60_000 },
] as const;

/** `3 h`, in the largest unit that it has one of: for people; programs get the moment. */
export function formatAge(ms: number): string {
  const unit = AGE_UNITS.find((one) => ms >= one.ms);
  return unit === undefined ? "less than a minute" : `${Math.floor(ms / unit.ms)} ${unit.name}`;
}

/**
 * What becomes of output that nobody takes; without listeners Node would throw it as an uncaught error. A reader that
 * closes our stdout early (`larder store ls | head`) has got what it wanted: end quietly. On a full disk half a list is
 * none: say so and fail. That stderr is not taken can be told to nobody, and changes nothing.
 */
export function mindBrokenOutput(): void {
  process.stderr.on("error", () => undefined);
  process.stdout.on("error", ({ code }: NodeJS.ErrnoException) => {
    if (code === "EPIPE" || code === "ECONNRESET") process.exit();
    note(`FILE_UNWRITABLE: stdout cannot be written (${code}); free space where it leads, or send it elsewhere`);
    process.exit(EXIT.fault);
  });
}
