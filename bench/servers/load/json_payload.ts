/**
 * Messages as applications send them: a list of things as JSON.
 *
 * @module
 */

const KINDS = [
  "Desk",
  "Lamp",
  "Chair",
  "Shelf",
  "Mirror",
  "Carpet",
  "Clock",
  "Sofa",
  "Vase",
  "Stool",
];
const LOOKS = [
  "walnut",
  "oak",
  "brass",
  "linen",
  "green",
  "round",
  "tall",
  "grey",
  "woven",
  "blue",
];
const FIRST_TIME = Date.UTC(2026, 0, 1);
const YEAR_MS = 365 * 24 * 60 * 60 * 1000;

/** Makes a list of as many things as fit, with a remark that makes it exactly `size` octets of ASCII. */
export function createJson(size: number, random: () => number): string {
  const integer = (below: number) => Math.floor(random() * below);
  const createItem = () => ({
    id: 100_000 + integer(900_000),
    name: `${KINDS[integer(KINDS.length)]}, ${LOOKS[integer(LOOKS.length)]}`,
    price: integer(50_000) / 100,
    at: new Date(FIRST_TIME + integer(YEAR_MS)).toISOString(),
  });
  const items: object[] = [];
  let json = encode(items, "");
  for (;;) {
    const longer = encode([...items, createItem()], "");
    if (longer.length > size) break;
    json = longer;
    items.push(JSON.parse(longer).items.at(-1));
  }
  let remark = "";
  while (json.length + remark.length < size) remark += `${LOOKS[integer(LOOKS.length)]} `;
  return encode(items, remark.slice(0, size - json.length));
}

function encode(items: object[], remark: string): string {
  return JSON.stringify({ items, remark });
}
