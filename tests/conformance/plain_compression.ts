/**
 * permessage-deflate for the plain server: simple, strict, and with a mistake if one is asked for.
 *
 * @module
 */

import { constants, inflateRawSync } from "node:zlib";
import {
  deflateAlone,
  deflatePlainly,
  type ReferenceParameters,
  storedBlocks,
} from "../support/reference_deflate.ts";
import { concatBytes } from "../support/reference_frames.ts";

/** The mistakes that a server can make of compression. */
export type CompressionMistake =
  | "declines compression"
  | "declines what is behind a wrong offer"
  | "agrees to unknown parameters"
  | "agrees to repeated parameters"
  | "agrees to window bits that are malformed"
  | "agrees to other extensions"
  | "answers client_max_window_bits unasked"
  | "answers a parameter twice"
  | "forgets to answer server_no_context_takeover"
  | "forgets to answer server_max_window_bits"
  | "keeps the window it agreed not to keep"
  | "compresses with a window that is too large"
  | "never keeps its window"
  | "forgets the client's window"
  | "keeps half of the client's window"
  | "puts plain messages in its window"
  | "sets RSV1 on each fragment"
  | "sets RSV1 on pongs"
  | "sets RSV1 on plain messages"
  | "sends compressed messages without RSV1"
  | "leaves the tail on"
  | "accepts RSV1 on continuations"
  | "accepts RSV1 on control frames"
  | "accepts other RSV bits with RSV1"
  | "accepts RSV1 after it declined"
  | "fails on blocks with BFINAL"
  | "drops what is behind BFINAL"
  | "inflates each fragment for itself"
  | "accepts corrupt messages"
  | "checks the UTF-8 of what is compressed"
  | "accepts compressed text that is not UTF-8"
  | "limits what is compressed";

type Makes = (mistake: CompressionMistake) => boolean;
type Values = Map<string, string | true>;

const BITS = /^(?:[89]|1[0-5])$/;
const TAIL = Uint8Array.of(0, 0, 255, 255);
const EMPTY = new Uint8Array(0);
/** From here on messages are compressed by zlib alone: the plain way is slow. */
const MAX_PLAIN_SIZE = 5000;
/** From here on they are sent as they are. */
const MAX_SIZE = 256 * 1024;

/** Answers the offers: gives the value of the response's field, and what is agreed upon. */
export function answerOffers(
  field: string,
  makes: Makes,
): { answer: string; parameters: ReferenceParameters } | undefined {
  if (makes("declines compression")) return undefined;
  for (const element of field.split(",")) {
    const [name, ...parameters] = element.split(";").map((part) => part.trim());
    if (name === "") continue;
    const isKnown = name === "permessage-deflate";
    const values = isKnown ? readParameters(parameters, makes) : new Map();
    if (values !== undefined && (isKnown || makes("agrees to other extensions"))) {
      return answer(values, makes);
    }
    if (makes("declines what is behind a wrong offer")) return undefined;
  }
  return undefined;
}

function readParameters(parameters: string[], makes: Makes): Values | undefined {
  const values: Values = new Map();
  for (const parameter of parameters) {
    const [key, quoted] = parameter.split("=");
    const value = quoted?.replaceAll(/["\\]/g, "");
    if (values.has(key) && !makes("agrees to repeated parameters")) return undefined;
    if (/^(server|client)_no_context_takeover$/.test(key)) {
      if (value !== undefined) return undefined;
    } else if (/^(server|client)_max_window_bits$/.test(key)) {
      const isRight = value === undefined ? key.startsWith("client") : BITS.test(value);
      if (!isRight && !makes("agrees to window bits that are malformed")) return undefined;
    } else if (!makes("agrees to unknown parameters")) {
      return undefined;
    }
    values.set(key, value ?? true);
  }
  return values;
}

function answer(offer: Values, makes: Makes): { answer: string; parameters: ReferenceParameters } {
  const bitsOf = (key: string) => BITS.test(String(offer.get(key))) ? Number(offer.get(key)) : 15;
  const parameters = {
    serverNoContextTakeover: offer.has("server_no_context_takeover"),
    clientNoContextTakeover: offer.has("client_no_context_takeover"),
    serverMaxWindowBits: bitsOf("server_max_window_bits"),
    clientMaxWindowBits: bitsOf("client_max_window_bits"),
  };
  const parts = ["permessage-deflate"];
  if (
    parameters.serverNoContextTakeover && !makes("forgets to answer server_no_context_takeover")
  ) {
    parts.push("server_no_context_takeover");
    if (makes("answers a parameter twice")) parts.push("server_no_context_takeover");
  }
  if (parameters.clientNoContextTakeover) parts.push("client_no_context_takeover");
  if (
    offer.has("server_max_window_bits") && !makes("forgets to answer server_max_window_bits")
  ) {
    parts.push(`server_max_window_bits=${parameters.serverMaxWindowBits}`);
  }
  if (offer.has("client_max_window_bits") || makes("answers client_max_window_bits unasked")) {
    parts.push(`client_max_window_bits=${parameters.clientMaxWindowBits}`);
  }
  return { answer: parts.join("; "), parameters };
}

/** The message is larger than it may be. */
export class TooLarge extends Error {}

/** Compresses and decompresses the messages of one connection. */
export class PlainCompression {
  readonly #makes: Makes;
  readonly #parameters: ReferenceParameters;
  readonly #maxSize: number;
  /** The window of what is sent, and that of what is received. */
  #sent: Uint8Array = EMPTY;
  #received: Uint8Array = EMPTY;

  constructor(parameters: ReferenceParameters, maxSize: number, makes: Makes) {
    this.#parameters = parameters;
    this.#maxSize = maxSize;
    this.#makes = makes;
  }

  /** Compresses a message; gives nothing where it is sent as it is. */
  deflate(message: Uint8Array): Uint8Array | undefined {
    if (message.length > MAX_SIZE) return undefined;
    const { serverMaxWindowBits, serverNoContextTakeover } = this.#parameters;
    const bits = this.#makes("compresses with a window that is too large")
      ? 15
      : serverMaxWindowBits;
    let payload = deflateAlone(message, bits);
    if (message.length <= MAX_PLAIN_SIZE) {
      const plain = deflatePlainly(this.#sent, message, 2 ** bits);
      if (plain.length < payload.length) payload = plain;
    }
    const keeps = serverNoContextTakeover
      ? this.#makes("keeps the window it agreed not to keep")
      : !this.#makes("never keeps its window");
    if (keeps) this.#keep(message, bits);
    return this.#makes("leaves the tail on") ? concatBytes([payload, TAIL]) : payload;
  }

  /** Sees a message that is sent as it is. */
  passPlain(message: Uint8Array): void {
    if (this.#makes("puts plain messages in its window")) this.#keep(message, 15);
  }

  #keep(message: Uint8Array, bits: number): void {
    this.#sent = concatBytes([this.#sent, message]).slice(-(2 ** bits));
  }

  /**
   * Decompresses a message.
   *
   * @throws {TooLarge} Where it is larger than it may be.
   * @throws Where it is corrupt.
   */
  inflate(fragments: readonly Uint8Array[]): Uint8Array {
    const parts = this.#makes("inflates each fragment for itself")
      ? fragments
      : [concatBytes(fragments)];
    let message: Uint8Array;
    try {
      message = concatBytes(parts.map((part) => this.#inflate(part)));
    } catch (error) {
      if (!this.#makes("accepts corrupt messages")) throw error;
      message = EMPTY;
    }
    if (message.length > this.#maxSize) {
      if (!this.#makes("limits what is compressed")) throw new TooLarge();
      // Its echo would take long.
      message = EMPTY;
    }
    const { clientMaxWindowBits, clientNoContextTakeover } = this.#parameters;
    if (!clientNoContextTakeover && !this.#makes("forgets the client's window")) {
      const half = this.#makes("keeps half of the client's window") ? 2 : 1;
      const size = 2 ** clientMaxWindowBits / half;
      this.#received = concatBytes([this.#received, message]).slice(-size);
    }
    return message;
  }

  #inflate(payload: Uint8Array): Uint8Array {
    const windowLength = this.#received.length;
    const rest = concatBytes([storedBlocks(this.#received), payload, TAIL]);
    const { message, end } = this.#inflateStream(rest);
    const first = message.subarray(windowLength);
    // Nothing, or all that there is behind a block with BFINAL.
    if (end >= rest.length - TAIL.length) return first;
    if (this.#makes("fails on blocks with BFINAL")) throw new Error("BFINAL");
    if (this.#makes("drops what is behind BFINAL")) return first;
    const behind = this.#inflateStream(rest.subarray(end)).message;
    return concatBytes([first, behind]);
  }

  /** Gives the output of one stream, and where in the input it ends. */
  #inflateStream(input: Uint8Array): { message: Uint8Array; end: number } {
    const { buffer, engine } = inflateRawSync(input, {
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: 64 * 1024,
      info: true,
    } as never) as unknown as { buffer: Uint8Array; engine: { bytesWritten: number } };
    return { message: new Uint8Array(buffer), end: engine.bytesWritten };
  }
}
