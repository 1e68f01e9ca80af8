/**
 * What is compressed: five kinds of content, some 200 KB of each, made anew in each run and always the
 * same.
 *
 * @module
 */

/** A kind of content. */
export interface Content {
  name: string;
  type: "text" | "binary";
  /** The part of its size that 1 KiB of it, or more, may keep when it is compressed alone. */
  ratio: number;
  /** Gives the bytes, 256 KiB of them or more. */
  bytes: () => Uint8Array;
}

const MIN_SIZE = 256 * 1024;

/** Numbers below 1, always the same (xorshift). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

function memoize(make: () => Uint8Array): () => Uint8Array {
  let bytes: Uint8Array | undefined;
  return () => bytes ??= make();
}

/** Repeats what `line` gives until there is enough. */
function textOf(line: (i: number) => string): () => Uint8Array {
  return memoize(() => {
    const lines: string[] = [];
    let size = 0;
    for (let i = 0; size < MIN_SIZE; i++) {
      const next = line(i);
      lines.push(next);
      size += next.length;
    }
    return new TextEncoder().encode(lines.join(""));
  });
}

const WORDS =
  ("der die das und nicht Müller süß größer während Straße über Häuser Fluß gehen sehen " +
    "Wasser Wald Mühle Brücke Licht Schatten früh spät heute morgen niemand jemand, hören Töne; " +
    "Vögel rauschen Blätter fallen Jahre Stunden. Wanderer Wege Stein Türme – „leise“ Glocken Öfen")
    .split(" ");

function json(): (i: number) => string {
  const random = randomNumbers(12);
  return (i) =>
    JSON.stringify({
      id: i,
      guid: Math.floor(random() * 2 ** 52).toString(16),
      isActive: random() < 0.5,
      balance: `€${(random() * 4000).toFixed(2)}`,
      name: { first: WORDS[i % 7], last: WORDS[Math.floor(random() * WORDS.length)] },
      tags: Array.from({ length: 3 }, () => WORDS[Math.floor(random() * WORDS.length)]),
      latitude: random() * 180 - 90,
    }) + ",\n";
}

function prose(): (i: number) => string {
  const random = randomNumbers(34);
  return (i) => {
    const count = 4 + Math.floor(random() * 5);
    const words = Array.from(
      { length: count },
      () => WORDS[Math.floor(random() ** 2 * WORDS.length)],
    );
    return words.join(" ") + (i % 4 === 3 ? ".\n\n" : ",\n");
  };
}

function html(): (i: number) => string {
  const random = randomNumbers(56);
  return (i) =>
    `<tr class="row ${i % 2 ? "odd" : "even"}"><td><a href="/items/${i}?from=list">` +
    `${WORDS[Math.floor(random() * WORDS.length)]} ${Math.floor(random() * 1e6)}</a></td>` +
    `<td style="text-align: right">${(random() * 100).toFixed(3)}&nbsp;%</td></tr>\n`;
}

/** 512 by 512 points in grey: waves with a little noise. */
function picture(): Uint8Array {
  const random = randomNumbers(78);
  return Uint8Array.from({ length: 512 * 512 }, (_, i) => {
    const x = i % 512, y = i >> 9;
    return 128 + 60 * Math.sin(x / 40) + 50 * Math.cos(y / 25 + x / 90) + random() * 2;
  });
}

function noise(): Uint8Array {
  const random = randomNumbers(90);
  return Uint8Array.from({ length: MIN_SIZE }, () => random() * 256);
}

/** All kinds: texts with characters of one to three bytes, and bytes. */
export const CONTENTS: readonly Content[] = [
  { name: "JSON", type: "text", ratio: 0.7, bytes: textOf(json()) },
  { name: "a picture", type: "binary", ratio: 0.98, bytes: memoize(picture) },
  { name: "prose", type: "text", ratio: 0.7, bytes: textOf(prose()) },
  { name: "HTML", type: "text", ratio: 0.5, bytes: textOf(html()) },
  // It does not get smaller, and hardly larger.
  { name: "noise", type: "binary", ratio: 1.1, bytes: memoize(noise) },
];

/** Takes one message of that size after the other, and begins again at the end. */
export function takeMessages(content: Content, size: number, count: number): Uint8Array[] {
  const bytes = content.bytes();
  let start = 0;
  return Array.from({ length: count }, () => {
    if (start + size > bytes.length) start = 0;
    let end = start + size;
    // A text ends, and the next one begins, between two characters.
    while (content.type === "text" && (bytes[end] & 0xc0) === 0x80) end--;
    const message = bytes.subarray(start, end);
    start = end;
    return message;
  });
}
