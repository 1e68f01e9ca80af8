/** What stands for itself in a subject. */
const PLAIN = /[\w/:@+~-]/;

const encoder = new TextEncoder();

/**
 * Encodes a topic as the end of a NATS subject. Letters, digits, `_ - / : @ + ~` stand for themselves, and
 * so does a dot between two of them, which parts the subject into tokens. All else is `%` and two hexadecimal
 * digits for each byte of UTF-8; the topic without a character is `%`. Each topic has a subject of its own.
 */
export function encodeSubject(topic: string): string {
  if (topic === "") return "%";
  let subject = "";
  let wasDot = true;
  const characters = [...topic];
  for (const [index, character] of characters.entries()) {
    const isDot: boolean = character === "." && !wasDot && index < characters.length - 1;
    subject += isDot || PLAIN.test(character) ? character : escape(character);
    wasDot = isDot;
  }
  return subject;
}

function escape(character: string): string {
  let escaped = "";
  for (const byte of encoder.encode(character)) {
    escaped += `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }
  return escaped;
}
