/** Offers of permessage-deflate, and what is answered to them. */

import { acceptDeflateOffer, type DeflatePolicy } from "../../src/extensions/deflate_parameters.ts";
import { parseExtensions } from "../../src/handshake/mod.ts";
import type { Random } from "../codec/support.ts";
import { check, type Target, type TextInput } from "./target.ts";
import { type Extension, readExtensions } from "./extensions.ts";

/** A list of offers, and the server's policy. */
export interface OffersInput extends TextInput {
  policy: DeflatePolicy;
}

const NAMES = [
  "server_no_context_takeover",
  "client_no_context_takeover",
  "server_max_window_bits",
  "client_max_window_bits",
];
const WINDOWS = ["8", "9", "10", "11", "12", "13", "14", "15"];
const BAD_VALUES = ["7", "16", "08", "0", "1", "-9", "0x9", "9.0", "1e1", "", "true", "100", "٩"];

function makeOffer(random: Random): string {
  let text = random.below(8) === 0
    ? random.pick(["x-webkit-deflate-frame", "Permessage-deflate", "a"])
    : "permessage-deflate";
  for (const name of NAMES) {
    if (random.below(2) === 0) continue;
    text += random.pick(["; ", ";"]) + (random.below(20) === 0 ? name.toUpperCase() : name);
    const isWindow = name.endsWith("bits");
    const isOptional = name.startsWith("client");
    if ((isWindow && !(isOptional && random.below(2) === 0)) || random.below(20) === 0) {
      const value = random.below(12) === 0 ? random.pick(BAD_VALUES) : random.pick(WINDOWS);
      text += random.below(4) === 0 ? `="${value}"` : `=${value}`;
    }
  }
  if (random.below(12) === 0) text += `; ${random.pick([...NAMES, "unknown", "__proto__"])}`;
  return text;
}

/** What both sides do once an offer is agreed upon, and the parameters that say so. */
interface Agreed {
  serverKeeps: boolean;
  clientKeeps: boolean;
  serverBits: number;
  clientBits: number;
  answer: Map<string, string | true>;
}

/** What must be answered to an offer, rule by rule (RFC 7692, section 7.1); `undefined` to decline it. */
function readOffer({ name, parameters }: Extension, policy: DeflatePolicy): Agreed | undefined {
  if (name !== "permessage-deflate") return undefined;
  const offered = new Map(parameters);
  // "multiple parameters with the same name" (section 7.1)
  if (offered.size < parameters.length) return undefined;
  for (const [name, value] of offered) {
    const isWindow = typeof value === "string" && WINDOWS.includes(value);
    // Each parameter with the values it may have: sections 7.1.1.1, 7.1.1.2, 7.1.2.1 and 7.1.2.2.
    if (name === NAMES[0] || name === NAMES[1]) {
      if (value !== true) return undefined;
    } else if (name === NAMES[2]) {
      if (!isWindow) return undefined;
    } else if (name === NAMES[3]) {
      if (!isWindow && value !== true) return undefined;
    } else return undefined;
  }
  const server = offered.get("server_max_window_bits");
  // Nothing compresses with a window of 256 bytes.
  if (server === "8") return undefined;
  const client = offered.get("client_max_window_bits");

  const agreed: Agreed = {
    serverKeeps: policy.contextTakeover && !offered.has("server_no_context_takeover"),
    clientKeeps: policy.contextTakeover && !offered.has("client_no_context_takeover"),
    serverBits: Math.min(policy.serverMaxWindowBits, server === undefined ? 15 : Number(server)),
    clientBits: 15,
    answer: new Map(),
  };
  if (client !== undefined) {
    const wished = client === true ? 15 : Number(client);
    agreed.clientBits = Math.min(policy.clientMaxWindowBits, wished);
  }
  // Who may keep only a small window, and can't be told, keeps none.
  if (agreed.clientBits > policy.clientMaxWindowBits) agreed.clientKeeps = false;
  if (!agreed.serverKeeps) agreed.answer.set("server_no_context_takeover", true);
  if (!agreed.clientKeeps) agreed.answer.set("client_no_context_takeover", true);
  // What was asked for is said to be so; and what was not, where it is other than usual.
  if (server !== undefined || agreed.serverBits < 15) {
    agreed.answer.set("server_max_window_bits", String(agreed.serverBits));
  }
  if (agreed.clientBits < 15) {
    agreed.answer.set("client_max_window_bits", String(agreed.clientBits));
  }
  return agreed;
}

export const DEFLATE_OFFERS: Target<OffersInput> = {
  make(random) {
    let text = makeOffer(random);
    for (let count = random.below(4); count > 0; count--) text += `, ${makeOffer(random)}`;
    if (random.below(4) === 0) {
      const at = random.below(text.length);
      text = text.slice(0, at) + random.pick([...'1890,;="_ a']) + text.slice(at + random.below(2));
    }
    const policy = {
      contextTakeover: random.below(2) === 0,
      serverMaxWindowBits: random.below(2) === 0 ? 15 : 9 + random.below(7),
      clientMaxWindowBits: random.below(2) === 0 ? 15 : 9 + random.below(7),
    };
    return { text, policy };
  },

  check({ text, policy }) {
    const offers = readExtensions(text);
    if (offers === undefined) return "malformed";
    let expected: Agreed | undefined;
    for (const offer of offers) expected ??= readOffer(offer, policy);
    const accepted = acceptDeflateOffer(parseExtensions(text), policy);
    const message = () => `${JSON.stringify(accepted)} to ${text}, ${JSON.stringify(policy)}`;
    check((accepted === undefined) === (expected === undefined), message);
    if (accepted === undefined || expected === undefined) return "declined";

    const { parameters, response } = accepted;
    check(parameters.serverNoContextTakeover === !expected.serverKeeps, message);
    check(parameters.clientNoContextTakeover === !expected.clientKeeps, message);
    check(parameters.serverMaxWindowBits === expected.serverBits, message);
    check(parameters.clientMaxWindowBits === expected.clientBits, message);
    const [answer, ...more] = readExtensions(response) ?? [];
    check(answer?.name === "permessage-deflate" && more.length === 0, message);
    const given = new Map(answer.parameters);
    check(given.size === answer.parameters.length && given.size === expected.answer.size, message);
    for (const [name, value] of expected.answer) check(given.get(name) === value, message);
    return "accepted";
  },
};
