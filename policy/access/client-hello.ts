import { ByteReader } from "./byte-reader.ts";

/** What a client says of itself when it starts TLS. */
export interface ClientHello {
  /** The name it wants (RFC 6066 §3), as sent; an IP literal sends none. */
  readonly serverName?: string;
  /** The protocols it speaks, most wanted first (RFC 7301 §3.1). */
  readonly alpn?: readonly string[];
  /**
   * What tells the program and its TLS library from others: versions, suites and extensions, without what varies from
   * one connection to the next.
   */
  readonly fingerprint: string;
}

/**
 * The longest ClientHello that is waited for, and in how many records: with post-quantum keys and a ticket it stays
 * below 4 KiB.
 */
const MAX_HELLO_BYTES = 32 * 1024;
const MAX_RECORDS = 64;
/**
 * Content type and greatest fragment (RFC 8446 §5.1), handshake type (§4), extension types (RFC 6066 §3, RFC 7301
 * §3.1).
 */
const HANDSHAKE_RECORD = 22;
const MAX_FRAGMENT_BYTES = 2 ** 14;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const ALPN = 16;
/**
 * Name, padding, session ticket, pre-shared key, early data, cookie: they depend on the host, or on the connection
 * before.
 */
const VARYING: ReadonlySet<number> = new Set([SERVER_NAME, 21, 35, 41, 42, 44]);

/**
 * Reads the ClientHello at the start of a connection; it may come in pieces and be split over records.
 * @returns `incomplete` while more bytes are needed, `not-tls` as soon as it cannot be a ClientHello.
 */
export function readClientHello(bytes: Uint8Array): ClientHello | "incomplete" | "not-tls" {
  const message = readMessage(bytes);
  if (typeof message === "string") return message;
  try {
    return readHello(new ByteReader(message));
  } catch (error) {
    if (error instanceof RangeError) return "not-tls";
    throw error;
  }
}

/** The body of the first handshake message, put together from its records. */
function readMessage(bytes: Uint8Array): Uint8Array | "incomplete" | "not-tls" {
  const message = new Uint8Array(Math.min(bytes.length, MAX_HELLO_BYTES));
  let size = 0;
  for (let at = 0, records = 0; records < MAX_RECORDS; records++) {
    const [type = HANDSHAKE_RECORD, major = 3, , high, low] = bytes.subarray(at, at + 5);
    if (type !== HANDSHAKE_RECORD || major !== 3) return "not-tls";
    if (high === undefined || low === undefined) return "incomplete";
    const length = high * 256 + low;
    if (length === 0 || length > MAX_FRAGMENT_BYTES) return "not-tls";
    const fragment = bytes.subarray(at + 5, at + 5 + Math.min(length, message.length - size));
    message.set(fragment, size);
    size += fragment.length;
    at += 5 + length;

    const [messageType = CLIENT_HELLO, ...lengthBytes] = message.subarray(0, Math.min(size, 4));
    if (messageType !== CLIENT_HELLO) return "not-tls";
    const end = 4 + lengthBytes.reduce((value, byte) => value * 256 + byte, 0);
    if (end > MAX_HELLO_BYTES) return "not-tls";
    if (lengthBytes.length === 3 && end <= size) return message.subarray(4, end);
    if (at > bytes.length) return "incomplete";
  }
  return "not-tls";
}

/** RFC 8446 §4.1.2. @throws RangeError when a length does not fit. */
function readHello(hello: ByteReader): ClientHello {
  const VERSION_AND_RANDOM_BYTES = 2 + 32;
  hello.take(VERSION_AND_RANDOM_BYTES);
  hello.vector(1); // session id
  const suites = readNumbers(hello.vector(2));
  hello.vector(1); // compression methods
  const types: number[] = [];
  const found: { serverName?: string; alpn?: readonly string[] } = {};
  const read = (): ClientHello => ({ ...found, fingerprint: fingerprintOf(suites, types, found.alpn) });
  if (hello.isAtEnd) return read();
  const extensions = hello.vector(2);
  if (!hello.isAtEnd) throw new RangeError("bytes follow the extensions");
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const extension = extensions.vector(2);
    types.push(type);
    if (type === SERVER_NAME) Object.assign(found, readServerName(extension.vector(2)));
    if (type === ALPN) found.alpn = readProtocols(extension.vector(2));
  }
  return read();
}

/**
 * Extensions in order of their numbers, as some clients shuffle them; without the reserved values that others throw in
 * (RFC 8701).
 */
function fingerprintOf(suites: readonly number[], types: readonly number[], alpn: readonly string[] = []): string {
  const isReal = (value: number): boolean => (value & 0x0f0f) !== 0x0a0a;
  const steady = types.filter((type) => isReal(type) && !VARYING.has(type)).sort((a, b) => a - b);
  return [suites.filter(isReal), steady, alpn].map((part) => part.join("-")).join("/");
}

function readNumbers(list: ByteReader): number[] {
  const numbers: number[] = [];
  while (!list.isAtEnd) numbers.push(list.number(2));
  return numbers;
}

function readServerName(names: ByteReader): Pick<ClientHello, "serverName"> {
  const HOST_NAME = 0;
  while (!names.isAtEnd) {
    const type = names.number(1);
    const serverName = names.vector(2).text();
    if (type === HOST_NAME && /^[!-~]+$/.test(serverName)) return { serverName };
  }
  return {};
}

function readProtocols(list: ByteReader): string[] {
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).text());
  return protocols;
}
