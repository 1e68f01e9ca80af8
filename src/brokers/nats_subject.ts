/** A character that is not escaped in a subject. */
const PLAIN = /[\w/:@+~-]/;

const encoder = new TextEncoder();

/**
 * Encodes a topic as the end of a NATS subject. Letters, digits and `_ - / : @ + ~` stay, and so does a dot
 * between two characters, which separates tokens. Any other character becomes `%` and two hexadecimal digits
 * for each byte of UTF-8; the empty topic becomes `%`. No two topics have the same subject.
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
