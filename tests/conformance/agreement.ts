/**
 * What a client offers of permessage-deflate, and whether a server answered as it may (RFC 7692,
 * section 7.1).
 *
 * @module
 */

import type { ReferenceParameters } from "../support/reference_deflate.ts";

/** An offer of permessage-deflate that a server can agree to. */
export interface Offer {
  serverNoContextTakeover?: true;
  clientNoContextTakeover?: true;
  serverMaxWindowBits?: number;
  /** `true` where the client can be told, and says no more. */
  clientMaxWindowBits?: number | true;
}

/** How the opening handshake is to go, in what concerns extensions. */
export interface Negotiation {
  /** The field values of `Sec-WebSocket-Extensions`, as they are sent: a field for each. */
  fields: readonly string[];
  /** What a server can agree to among these, in order; nothing where it must decline them all. */
  offers: readonly Offer[];
}

/** Writes an offer. */
export function encodeOffer(offer: Offer): string {
  const { serverMaxWindowBits, clientMaxWindowBits } = offer;
  return [
    "permessage-deflate",
    ...offer.serverNoContextTakeover ? ["server_no_context_takeover"] : [],
    ...offer.clientNoContextTakeover ? ["client_no_context_takeover"] : [],
    ...serverMaxWindowBits ? [`server_max_window_bits=${serverMaxWindowBits}`] : [],
    ...clientMaxWindowBits === true ? ["client_max_window_bits"] : [],
    ...typeof clientMaxWindowBits === "number"
      ? [`client_max_window_bits=${clientMaxWindowBits}`]
      : [],
  ].join("; ");
}

/** A client that offers just these. */
export function offering(...offers: Offer[]): Negotiation {
  return { fields: [offers.map(encodeOffer).join(", ")], offers };
}

/** What a server answered is not allowed; the message says why. */
export class AnswerFault extends Error {
  override name = "AnswerFault";
}

const BITS = /^(?:[89]|1[0-5])$/;

/**
 * Reads what a server answered.
 *
 * @param answer The value of its `Sec-WebSocket-Extensions`; `undefined` where it has none.
 * @throws {AnswerFault} Where it may not answer so, or declines what it can agree to.
 */
export function readAgreement(
  offers: readonly Offer[],
  answer: string | undefined,
): ReferenceParameters | undefined {
  if (answer === undefined) {
    if (offers.length > 0) throw new AnswerFault("it declined to compress");
    return undefined;
  }
  if (offers.length === 0) throw new AnswerFault("it agreed to what it must decline");
  const [name, ...parameters] = answer.split(";").map((part) => part.trim());
  if (name !== "permessage-deflate") throw new AnswerFault("it answered another extension");
  const values = new Map<string, string | undefined>();
  for (const parameter of parameters) {
    const [key, value] = parameter.split("=");
    if (values.has(key)) throw new AnswerFault(`it answered ${key} twice`);
    const isRight = /^(server|client)_no_context_takeover$/.test(key)
      ? value === undefined
      : /^(server|client)_max_window_bits$/.test(key) && BITS.test(value ?? "");
    if (!isRight) throw new AnswerFault(`it answered ${parameter}`);
    values.set(key, value);
  }
  const faults = offers.map((offer) => findFault(offer, values));
  const index = faults.indexOf(undefined);
  if (index === -1) throw new AnswerFault(faults[0]!);
  const { clientNoContextTakeover, clientMaxWindowBits } = offers[index];
  const hint = typeof clientMaxWindowBits === "number" ? clientMaxWindowBits : 15;
  return {
    serverNoContextTakeover: values.has("server_no_context_takeover"),
    // What the client said of itself it does, whatever the server answers.
    clientNoContextTakeover: values.has("client_no_context_takeover") ||
      clientNoContextTakeover === true,
    serverMaxWindowBits: Number(values.get("server_max_window_bits") ?? 15),
    clientMaxWindowBits: Math.min(hint, Number(values.get("client_max_window_bits") ?? 15)),
  };
}

/** Says what in an answer does not go with an offer. */
function findFault(
  offer: Offer,
  answer: ReadonlyMap<string, string | undefined>,
): string | undefined {
  if (offer.serverNoContextTakeover && !answer.has("server_no_context_takeover")) {
    return "it answered without server_no_context_takeover, which was asked for";
  }
  if (offer.serverMaxWindowBits !== undefined) {
    const bits = answer.get("server_max_window_bits");
    if (bits === undefined || Number(bits) > offer.serverMaxWindowBits) {
      return `it answered without server_max_window_bits=${offer.serverMaxWindowBits}, which was ` +
        "asked for";
    }
  }
  if (offer.clientMaxWindowBits === undefined && answer.has("client_max_window_bits")) {
    return "it answered client_max_window_bits to a client that can't be told";
  }
  return undefined;
}
