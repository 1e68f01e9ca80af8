/** The number of bits: with 1,000 forgotten topics, one in 500 others is mistaken for one of them. */
const BITS = 2 ** 19;

/** A Bloom filter with one bit for each topic: it may contain a topic by mistake, but never lacks one. */
export class ForgottenTopics {
  /** The topics forgotten before the current connection. */
  #former: Uint8Array | undefined;
  /** Those of the current connection, which count as forgotten from the next one on. */
  #current: Uint8Array | undefined;

  begin(): void {
    const current = this.#current ?? [];
    if (current.length > 0) this.#former ??= new Uint8Array(BITS / 8);
    for (let i = 0; i < current.length; i++) this.#former![i]! |= current[i]!;
    this.#current = undefined;
  }

  add(name: string): void {
    setBit(this.#current ??= new Uint8Array(BITS / 8), hash(name));
  }

  /** Adds a topic that only earlier connections had. */
  addFormer(name: string): void {
    setBit(this.#former ??= new Uint8Array(BITS / 8), hash(name));
  }

  /** Whether a topic was forgotten before the current connection. */
  has(name: string): boolean {
    if (this.#former === undefined) return false;
    const bit = hash(name);
    return (this.#former[bit >>> 3]! & 1 << (bit & 7)) !== 0;
  }
}

function setBit(bits: Uint8Array, bit: number): void {
  bits[bit >>> 3]! |= 1 << (bit & 7);
}

/** FNV-1a, over UTF-16 code units. */
function hash(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return (hash ^ hash >>> 16) & (BITS - 1);
}
