const STRIPE_BYTES = 32;
const LANE_BYTES = 8;

/** The primes of the specification, as signed halves. */
const PRIMES = {
  1: { high: 0x9e3779b1 | 0, low: 0x85ebca87 | 0 },
  2: { high: 0xc2b2ae3d | 0, low: 0x27d4eb4f },
  3: { high: 0x165667b1, low: 0x9e3779f9 | 0 },
  4: { high: 0x85ebca77 | 0, low: 0xc2b2ae63 | 0 },
  5: { high: 0x27d4eb2f, low: 0x165667c5 },
} as const;

interface Word {
  readonly high: number;
  readonly low: number;
}

/**
 * XXH64 with seed 0, whose low half is the checksum of a zstd frame (RFC 8878 §3.1.1). zlib checks it by itself; fzstd
 * does not. 64-bit numbers are kept as two signed halves: with BigInt the same work takes twelve times as long.
 * @see https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
 */
export class Xxh64 {
  /** Four accumulators, the low half of each first: prime 1 + prime 2, prime 2, 0, -prime 1. */
  readonly #lanes = Int32Array.of(0xadc0b5d6, 0x60ea27ee, 0x27d4eb4f, 0xc2b2ae3d, 0, 0, 0x7a143579, 0x61c8864e);
  #rest = new Uint8Array(0);
  #bytes = 0;

  update(bytes: Uint8Array): void {
    this.#bytes += bytes.length;
    const input = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const whole = input.length - (input.length % STRIPE_BYTES);
    for (let offset = 0; offset < whole; offset += LANE_BYTES) mixLane(this.#lanes, (offset / 4) % 8, input, offset);
    this.#rest = Uint8Array.from(input.subarray(whole));
  }

  /** The low half, as an unsigned number; call it once, at the end. */
  low32(): number {
    let hash: Word = this.#bytes < STRIPE_BYTES ? PRIMES[5] : this.#mergeLanes();
    hash = add(hash, { high: Math.floor(this.#bytes / 2 ** 32), low: this.#bytes | 0 });
    return avalanche(this.#mixRest(hash));
  }

  #mergeLanes(): Word {
    const lanes = [0, 2, 4, 6].map((at) => ({ low: this.#lanes[at] as number, high: this.#lanes[at + 1] as number }));
    const turned = lanes.map((lane, index) => rotate(lane, [1, 7, 12, 18][index] as number));
    return lanes.reduce(
      (hash, lane) => add(multiply(xor(hash, round(lane)), PRIMES[1]), PRIMES[4]),
      turned.reduce(add),
    );
  }

  /** Mixes in what follows the last whole stripe: by eight bytes, by four, one by one. */
  #mixRest(hash: Word): Word {
    const rest = this.#rest;
    let mixed = hash;
    let at = 0;
    for (; at + 8 <= rest.length; at += 8) {
      const word = { low: int32At(rest, at), high: int32At(rest, at + 4) };
      mixed = add(multiply(rotate(xor(mixed, round(word)), 27), PRIMES[1]), PRIMES[4]);
    }
    if (at + 4 <= rest.length) {
      const word = multiply({ low: int32At(rest, at), high: 0 }, PRIMES[1]);
      mixed = add(multiply(rotate(xor(mixed, word), 23), PRIMES[2]), PRIMES[3]);
      at += 4;
    }
    for (; at < rest.length; at++) {
      const word = multiply({ low: rest[at] as number, high: 0 }, PRIMES[5]);
      mixed = multiply(rotate(xor(mixed, word), 11), PRIMES[1]);
    }
    return mixed;
  }
}

/** The inner loop, which is {@link round} on numbers alone: no object is made for each eight bytes. */
function mixLane(lanes: Int32Array, at: number, input: Uint8Array, offset: number): void {
  const low = int32At(input, offset);
  const high = int32At(input, offset + 4);
  const { low: low2, high: high2 } = PRIMES[2];
  const { low: low1, high: high1 } = PRIMES[1];
  const addendLow = Math.imul(low, low2);
  const addendHigh = multiplyHigh(low, low2) + Math.imul(high, low2) + Math.imul(low, high2);
  const sumLow = ((lanes[at] as number) + addendLow) | 0;
  const carry = sumLow >>> 0 < addendLow >>> 0 ? 1 : 0;
  const sumHigh = ((lanes[at + 1] as number) + addendHigh + carry) | 0;
  const turnedLow = (sumLow << 31) | (sumHigh >>> 1);
  const turnedHigh = (sumHigh << 31) | (sumLow >>> 1);
  lanes[at] = Math.imul(turnedLow, low1);
  lanes[at + 1] = multiplyHigh(turnedLow, low1) + Math.imul(turnedHigh, low1) + Math.imul(turnedLow, high1);
}

/** A round on an empty accumulator. */
function round(word: Word): Word {
  return multiply(rotate(multiply(word, PRIMES[2]), 31), PRIMES[1]);
}

/** The end of the hash, as far as its low half needs it. */
function avalanche(hash: Word): number {
  const first = multiply({ high: hash.high, low: hash.low ^ (hash.high >>> 1) }, PRIMES[2]);
  const { high, low } = first;
  const second = multiply({ high: high ^ (high >>> 29), low: low ^ ((low >>> 29) | (high << 3)) }, PRIMES[3]);
  return (second.low ^ second.high) >>> 0;
}

function int32At(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

function xor(a: Word, b: Word): Word {
  return { high: a.high ^ b.high, low: a.low ^ b.low };
}

function add(a: Word, b: Word): Word {
  const low = (a.low + b.low) | 0;
  return { high: (a.high + b.high + (low >>> 0 < b.low >>> 0 ? 1 : 0)) | 0, low };
}

/** @param bits from 1 to 31. */
function rotate({ high, low }: Word, bits: number): Word {
  return { high: (high << bits) | (low >>> (32 - bits)), low: (low << bits) | (high >>> (32 - bits)) };
}

/** The low 64 bits of the product. */
function multiply(a: Word, b: Word): Word {
  const high = multiplyHigh(a.low, b.low) + Math.imul(a.high, b.low) + Math.imul(a.low, b.high);
  return { high: high | 0, low: Math.imul(a.low, b.low) };
}

/** The high 32 bits of the product of two unsigned halves. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const p01 = Math.imul(a0, b1);
  const p10 = Math.imul(a1, b0);
  const middle = (Math.imul(a0, b0) >>> 16) + (p01 & 0xffff) + (p10 & 0xffff);
  return (Math.imul(a1, b1) + (p01 >>> 16) + (p10 >>> 16) + (middle >>> 16)) | 0;
}
