/** `X509 CERTIFICATE` is the old name; `TRUSTED CERTIFICATE` is another format (OpenSSL's) and left alone. */
const CERTIFICATE_BLOCK = /-----BEGIN (?:X509 )?CERTIFICATE-----([^-]*)-----END (?:X509 )?CERTIFICATE-----/g;
/** RFC 7468 §2: lines of exactly 64 characters. */
const BASE64_LINE = /.{1,64}/g;

/**
 * The certificates of a PEM file in their order, each as one block in the form of {@link certificatePem}: comments,
 * keys and whatever else stands between them are dropped, and so is a certificate that came before.
 */
export function certificateBlocks(text: string): string[] {
  const blocks = Array.from(text.matchAll(CERTIFICATE_BLOCK), (match) =>
    wrap((match[1] as string).replace(/\s+/g, "")),
  );
  return [...new Set(blocks)];
}

/** RFC 7468 §5: one certificate as text, ending in a newline. */
export function certificatePem(der: Buffer): string {
  return wrap(der.toString("base64"));
}

/** The certificate in one block of {@link certificateBlocks}. */
export function derOf(block: string): Buffer {
  return Buffer.from(block.replace(/-----[^-]+-----/g, ""), "base64");
}

function wrap(base64: string): string {
  const lines = base64.match(BASE64_LINE) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
}
