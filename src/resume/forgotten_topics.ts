/** How many bits there are: of 1,000 forgotten topics, one in 500 others is taken for one of them. */
const BITS = 2 ** 19;

/**
 * The topics that were forgotten, of which nothing is remembered but one bit each: of a few others it is
 * said as well that they were forgotten, but of none that was that it was not.
 */
export class ForgottenTopics {
  /** Those of connections before, and of the one there is, where there are any. */
  #former: Uint8Array | undefined;
  #current: Uint8Array | undefined;

  /** Begins a connection. */
  begin(): void {
    const { buffer: bytes } = this.#current ?? {};
    if (bytes === undefined) return;
    const current = new Uint32Array(bytes);
    const former = new Uint32Array((this.#former ??= new Uint8Array(BITS / 8)).buffer);
    for (let i = 0; i < current.length; i++) former[i]! |= current[i]!;
    this.#current = undefined;
  }

  /** Notes that a topic of the connection there is was forgotten. */
  add(name: string): void {
    setBit(this.#current ??= new Uint8Array(BITS / 8), hash(name));
  }

  /** Notes that a topic was forgotten that only connections before had. */
  addFormer(name: string): void {
    setBit(this.#former ??= new Uint8Array(BITS / 8), hash(name));
  }

  /** Whether a topic was forgotten before the connection there is. */
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
