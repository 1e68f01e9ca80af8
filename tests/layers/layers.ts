/**
 * Message layers as programs write them, and connections that have them.
 *
 * @module
 */

import { createHmac } from "node:crypto";
import {
  type LayerConnection,
  type LayerDefinition,
  type LayerInfo,
  type Message,
  type MessageLayer,
  ProtocolError,
  type Sendable,
} from "../../src/connection/layer.ts";

/** Defines a layer whose subprotocol does not matter. */
export function layerOf(
  create: (info: LayerInfo) => MessageLayer,
  subprotocol = "layer.v1",
): LayerDefinition {
  return { subprotocol, create };
}

function toText(data: Sendable): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

/** Numbers messages of both sides, streamed ones too; fails if a number is left out. */
export const NUMBERED: LayerDefinition = layerOf(() => new NumberedLayer(), "numbered.v1");

class NumberedLayer implements MessageLayer {
  #sent = 0;
  #received = 0;
  #conn!: LayerConnection;
  #start = "";
  #hasBegun = false;

  start(conn: LayerConnection): void {
    this.#conn = conn;
  }

  encode(data: Sendable): Sendable {
    const prefix = this.encodeStart();
    if (typeof data === "string") return prefix + data;
    return new Uint8Array([...new TextEncoder().encode(prefix), ...data]);
  }

  encodeStart(): string {
    return `${++this.#sent} `;
  }

  decode(data: Message): Message {
    const space = typeof data === "string" ? data.indexOf(" ") : data.indexOf(0x20);
    this.#check(toText(data.slice(0, space)));
    // For bytes, a view of the same memory.
    return typeof data === "string" ? data.slice(space + 1) : data.subarray(space + 1);
  }

  decodeStart(type: "text" | "binary"): void {
    this.#start = "";
    this.#hasBegun = false;
    this.#type = type;
  }

  #type: "text" | "binary" = "text";

  decodeChunk(bytes: Uint8Array, start: number, end: number): void {
    let position = start;
    while (!this.#hasBegun && position < end) {
      const character = String.fromCharCode(bytes[position++]!);
      if (character === " ") {
        this.#check(this.#start);
        this.#hasBegun = true;
        this.#conn.pushStart(this.#type);
      }
      this.#start += character;
    }
    if (position < end) this.#conn.pushChunk(bytes, position, end);
  }

  decodeEnd(): void {
    this.#conn.pushEnd();
  }

  #check(number: string): void {
    if (Number(number) === ++this.#received) return;
    throw new ProtocolError(1008, `Expected message ${this.#received}, got ${number}`);
  }
}

/** Signs texts; messages are whole. */
export function signed(key: string): LayerDefinition {
  const sign = (text: string) => createHmac("sha256", key).update(text).digest("hex");
  return layerOf(() => ({
    encode: (data) => sign(toText(data)) + toText(data),
    decode(data) {
      const [signature, text] = [toText(data).slice(0, 64), toText(data).slice(64)];
      if (signature !== sign(text)) throw new ProtocolError(1008, "The signature is wrong");
      return text;
    },
  }), "signed.v1");
}

/** Sends texts in parts of so many characters, of which only the last one ends with a dot. */
export class PartsLayer implements MessageLayer {
  readonly #size: number;
  #conn!: LayerConnection;
  #held = "";
  isClosed = false;

  constructor(size: number) {
    this.#size = size;
  }

  get heldSize(): number {
    return this.#held.length;
  }

  start(conn: LayerConnection): void {
    this.#conn = conn;
  }

  encode(data: Sendable): string {
    let text = toText(data);
    for (; text.length > this.#size; text = text.slice(this.#size)) {
      this.#conn.send(text.slice(0, this.#size) + "-");
    }
    return text + ".";
  }

  decode(data: Message): string | undefined {
    const text = toText(data);
    this.#held += text.slice(0, -1);
    if (text.endsWith("-")) return undefined;
    const whole = this.#held;
    this.#held = "";
    return whole;
  }

  close(): void {
    this.isClosed = true;
    this.#held = "";
  }
}

/** Has the client say a name first, before which nothing begins. */
export function named(names: string[] = []): LayerDefinition {
  return layerOf(({ role }) => {
    if (role === "client") return { start: (conn) => conn.send("name Ada") };
    return {
      maxMessageSize: 100,
      handshake(data) {
        if (data === "wait") return false;
        if (!String(data).startsWith("name ")) throw new ProtocolError(1008, "No name");
        names.push(String(data).slice(5));
        return true;
      },
    };
  }, "named.v1");
}
