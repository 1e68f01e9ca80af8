import { WebSocketError } from "../errors.ts";
import type { ExtensionOffer } from "../http1/field_values.ts";
import { type CompressionSettings, PERMESSAGE_DEFLATE } from "./compression_options.ts";

/** The negotiated parameters (RFC 7692, section 7.1). */
export interface DeflateParameters {
  /** Whether the server begins each message with an empty window (section 7.1.1.1). */
  serverNoContextTakeover: boolean;
  /** Whether the client does so (section 7.1.1.2). */
  clientNoContextTakeover: boolean;
  /** The exponent of the server's window: 8 to 15 (section 7.1.2.1). */
  serverMaxWindowBits: number;
  /** The exponent of the client's window: 8 to 15 (section 7.1.2.2). */
  clientMaxWindowBits: number;
}

export type DeflatePolicy = Pick<
  CompressionSettings,
  "contextTakeover" | "serverMaxWindowBits" | "clientMaxWindowBits"
>;

/** The parameters of an element of `Sec-WebSocket-Extensions`, as they are sent. */
interface Fields {
  server_no_context_takeover?: true | undefined;
  client_no_context_takeover?: true | undefined;
  server_max_window_bits?: number | undefined;
  /** `true` in an offer: the client can be told, and has no wish of its own. */
  client_max_window_bits?: number | true | undefined;
}

/**
 * Picks the first offer of permessage-deflate that the server can agree to (sections 5.1 and 7.1).
 * One with a parameter that is unknown, repeated, or malformed is declined, and so is a server
 * window of 256 bytes, which zlib does not have.
 *
 * @returns The negotiated parameters, and the text of the response; `undefined` if no offer is acceptable.
 */
export function acceptDeflateOffer(
  offers: readonly ExtensionOffer[],
  policy: DeflatePolicy,
): { parameters: DeflateParameters; response: string } | undefined {
  for (const offer of offers) {
    if (offer.name !== PERMESSAGE_DEFLATE) continue;
    const fields = readFields(offer.parameters, true);
    if (fields === undefined || fields.server_max_window_bits === 8) continue;
    const answer = answerOffer(fields, policy);
    return { parameters: toParameters(answer), response: encodeFields(answer) };
  }
  return undefined;
}

function answerOffer(offer: Fields, policy: DeflatePolicy): Fields {
  const answer: Fields = {};
  if (!policy.contextTakeover || offer.server_no_context_takeover) {
    answer.server_no_context_takeover = true;
  }
  // "the server MUST NOT include a 'client_max_window_bits' extension parameter" if the offer has
  // none (section 7.1.2.2): the window that client keeps would be the largest one.
  const canBeTold = offer.client_max_window_bits !== undefined;
  const isWindowTooLarge = !canBeTold && policy.clientMaxWindowBits < 15;
  if (!policy.contextTakeover || offer.client_no_context_takeover || isWindowTooLarge) {
    answer.client_no_context_takeover = true;
  }
  const serverBits = Math.min(offer.server_max_window_bits ?? 15, policy.serverMaxWindowBits);
  if (offer.server_max_window_bits !== undefined || serverBits < 15) {
    answer.server_max_window_bits = serverBits;
  }
  if (canBeTold) {
    const offered = offer.client_max_window_bits === true ? 15 : offer.client_max_window_bits!;
    const clientBits = Math.min(offered, policy.clientMaxWindowBits);
    if (clientBits < 15) answer.client_max_window_bits = clientBits;
  }
  return answer;
}

/** Encodes a client's offer. It can be told the size of its window, and asks for what is not `false` or 15. */
export function encodeDeflateOffer(offer: Partial<DeflateParameters>): string {
  const { clientMaxWindowBits = 15, serverMaxWindowBits = 15 } = offer;
  return encodeFields({
    ...offer.serverNoContextTakeover && { server_no_context_takeover: true },
    ...offer.clientNoContextTakeover && { client_no_context_takeover: true },
    ...serverMaxWindowBits < 15 && { server_max_window_bits: serverMaxWindowBits },
    client_max_window_bits: clientMaxWindowBits < 15 ? clientMaxWindowBits : true,
  });
}

/**
 * Reads what a server answered to an offer of `encodeDeflateOffer`, and checks that it may (section
 * 7.1): the client must fail the connection otherwise.
 *
 * @throws {WebSocketError} If a parameter is unknown, repeated, malformed, or does not go with the
 * offer.
 */
export function readDeflateResponse(
  response: ExtensionOffer,
  offer: Partial<DeflateParameters>,
): DeflateParameters {
  const fields = readFields(response.parameters, false);
  if (fields === undefined) throw unacceptable("a parameter that is unknown or malformed");
  if (offer.serverNoContextTakeover && !fields.server_no_context_takeover) {
    throw unacceptable("no server_no_context_takeover, which was asked for");
  }
  const { serverMaxWindowBits = 15, clientMaxWindowBits = 15 } = offer;
  if ((fields.server_max_window_bits ?? 15) > serverMaxWindowBits) {
    throw unacceptable(`a larger window than server_max_window_bits=${serverMaxWindowBits}`);
  }
  const parameters = toParameters(fields);
  return {
    ...parameters,
    // What a client promised in its offer it keeps, whether the server repeats it or not: that "may
    // either ignore this value or use this value" (section 7.1.2.2), and answer a larger window.
    clientNoContextTakeover: parameters.clientNoContextTakeover ||
      (offer.clientNoContextTakeover ?? false),
    clientMaxWindowBits: Math.min(parameters.clientMaxWindowBits, clientMaxWindowBits),
  };
}

function unacceptable(what: string): WebSocketError {
  return new WebSocketError(`${PERMESSAGE_DEFLATE} has ${what}`);
}

/** Reads the parameters, each of which may come once; returns `undefined` if one is malformed. */
function readFields(
  parameters: ExtensionOffer["parameters"],
  isOffer: boolean,
): Fields | undefined {
  const fields: Fields = {};
  for (const [name, value] of parameters) {
    if (Object.hasOwn(fields, name)) return undefined;
    switch (name) {
      case "server_no_context_takeover":
      case "client_no_context_takeover":
        if (value !== true) return undefined;
        fields[name] = true;
        break;
      case "server_max_window_bits":
      case "client_max_window_bits":
        if (value === true && isOffer && name === "client_max_window_bits") fields[name] = true;
        // "a decimal integer value without leading zeroes between 8 to 15, inclusive"
        else if (value !== true && /^(?:[89]|1[0-5])$/.test(value)) fields[name] = Number(value);
        else return undefined;
        break;
      default:
        return undefined;
    }
  }
  return fields;
}

function toParameters(fields: Fields): DeflateParameters {
  const { client_max_window_bits: clientBits } = fields;
  return {
    serverNoContextTakeover: fields.server_no_context_takeover ?? false,
    clientNoContextTakeover: fields.client_no_context_takeover ?? false,
    serverMaxWindowBits: fields.server_max_window_bits ?? 15,
    clientMaxWindowBits: typeof clientBits === "number" ? clientBits : 15,
  };
}

function encodeFields(fields: Fields): string {
  const parameters = Object.entries(fields)
    .map(([name, value]) => value === true ? `; ${name}` : `; ${name}=${value}`);
  return PERMESSAGE_DEFLATE + parameters.join("");
}
