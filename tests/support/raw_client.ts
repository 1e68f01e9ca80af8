/**
 * The client of the tests: raw bytes over a {@linkcode RawSocket}, taken apart by the reference
 * decoder. It can play a server too. It shares no code with `src/`.
 *
 * @module
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import type { RawSocket, RawSocketHandler } from "./raw_socket.ts";
import {
  concatBytes,
  decodeReferenceFrame,
  encodeReferenceFrame,
  frameFaults,
  REFERENCE_OPCODES,
  type ReferenceFrame,
  type ReferenceFrameInit,
} from "./reference_frames.ts";
import { type RequestInit, upgradeRequest } from "./requests.ts";
import { Waiter } from "./waiter.ts";

/** The head of a response. */
export interface ResponseHead {
  status: number;
  statusText: string;
  /** By name in lower case; repeated fields joined by a comma. */
  headers: Map<string, string>;
}

/** A whole response, after which the server ended the connection. */
export interface RawResponse extends ResponseHead {
  /** The body, as text. */
  body: string;
}

/** What the reference says of a frame with RSV1. */
const RSV1_FAULT = "RSV bits set (4)";
const MASKING_KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);

/** A client that sends and reads bytes, or a server. */
export class RawClient<Socket extends RawSocket = RawSocket> implements RawSocketHandler {
  readonly socket: Socket;
  /** Whether frames with RSV1 may come: compression was agreed upon. */
  allowsRsv1 = false;
  readonly #role: "client" | "server";
  readonly #waiter: Waiter = new Waiter();
  #chunks: Uint8Array[] = [];
  #size = 0;
  /** How many bytes came in all. */
  receivedSize = 0;
  /** Whether the other side sent FIN. */
  hasEnded = false;
  /** Whether the connection is gone. */
  isClosed = false;
  /** Why the connection is gone; undefined where it ended in order. */
  error: unknown;

  constructor(socket: Socket, role: "client" | "server" = "client") {
    this.socket = socket;
    this.#role = role;
    socket.handler = this;
  }

  // ---- What arrives ----

  receive(bytes: Uint8Array): void {
    assert(!this.hasEnded, "bytes after FIN");
    this.#chunks.push(bytes.slice());
    this.#size += bytes.length;
    this.receivedSize += bytes.length;
    this.#waiter.wake();
  }

  receiveEnd(): void {
    this.hasEnded = true;
    this.#waiter.wake();
  }

  receiveClosed(error?: unknown): void {
    this.isClosed = true;
    this.error = error;
    this.#waiter.wake();
  }

  /** Whether this side has sent FIN or RST, or the connection is gone. */
  get hasSentEnd(): boolean {
    return this.isClosed || this.socket.hasEnded;
  }

  // ---- Bytes ----

  /** Sends bytes, or text as Latin-1. */
  send(...parts: (Uint8Array | string)[]): void {
    this.socket.send(
      concatBytes(parts.map((part) => typeof part === "string" ? latin1(part) : part)),
    );
  }

  /** The number of bytes that came and were not read. */
  get unreadSize(): number {
    return this.#size;
  }

  /** Waits until something holds, of this client or else. */
  until(what: string, isDone: () => boolean): Promise<void> {
    return this.#waiter.until(what, isDone);
  }

  /** Waits until the server has sent `size` bytes more, and reads them. */
  async readBytes(size: number): Promise<Uint8Array> {
    await this.until(`${size} bytes`, () => this.#size >= size || this.#isOver);
    assert(this.#size >= size, `${this.#size} bytes instead of ${size}, and the end`);
    return this.#take(size);
  }

  /** Waits until the server sends no more, and reads what there is. */
  async readToEnd(): Promise<Uint8Array> {
    await this.until("the end", () => this.#isOver);
    return this.#take(this.#size);
  }

  /** Waits until the connection has ended in order, or been reset. */
  async untilClosed(): Promise<void> {
    await this.until("the connection to be closed", () => this.isClosed);
  }

  /** Ends this side too, once the server has ended its own with nothing more to read. */
  async finish(): Promise<void> {
    const rest = await this.readToEnd();
    assertEquals(rest.length, 0, `${rest.length} bytes more`);
    assert(this.hasEnded, "a reset instead of the end");
    this.socket.end();
    await this.untilClosed();
    assertEquals(this.error, undefined);
  }

  // ---- HTTP ----

  /** Sends a request for a WebSocket, and reads the head of the response. */
  requestUpgrade(init?: RequestInit): Promise<ResponseHead> {
    this.send(upgradeRequest(init));
    return this.readHead();
  }

  /** Reads the head of a response. */
  async readHead(): Promise<ResponseHead> {
    const { line, headers } = parseHead(await this.readHeadText());
    const match = /^HTTP\/1\.1 (\d{3}) (.*)$/.exec(line);
    assert(match !== null, `status line "${line}"`);
    return { status: Number(match[1]), statusText: match[2], headers };
  }

  /** Reads a head, with the empty line that ends it, as Latin-1. */
  async readHeadText(): Promise<string> {
    let end = -1;
    await this.until("a head", () => {
      end = asLatin1(this.#peek()).indexOf("\r\n\r\n");
      return end !== -1 || this.#isOver;
    });
    assert(end !== -1, `no head, but "${asLatin1(this.#peek())}" and the end`);
    return asLatin1(this.#take(end + 4));
  }

  /** Reads a response that is followed by the end, and checks how it is framed. */
  async readResponse(): Promise<RawResponse> {
    const head = await this.readHead();
    const body = await this.readToEnd();
    assert(this.hasEnded, "a reset instead of the end");
    assertEquals(head.headers.get("connection")?.split(", ")[0], "close");
    const length = head.headers.get("content-length");
    if (length !== undefined) assertEquals(body.length, Number(length), "Content-Length");
    return { ...head, body: new TextDecoder().decode(body) };
  }

  // ---- Frames ----

  /** Sends a frame; that of a client is masked, unless it says otherwise. */
  sendFrame(init: ReferenceFrameInit): void {
    this.send(this.#role === "client" ? clientFrame(init) : encodeReferenceFrame(init));
  }

  sendText(text: string): void {
    this.sendFrame({ opcode: REFERENCE_OPCODES.text, payload: utf8(text) });
  }

  sendBinary(payload: Uint8Array): void {
    this.sendFrame({ opcode: REFERENCE_OPCODES.binary, payload });
  }

  sendPing(payload = ""): void {
    this.sendFrame({ opcode: REFERENCE_OPCODES.ping, payload: utf8(payload) });
  }

  sendPong(payload = ""): void {
    this.sendFrame({ opcode: REFERENCE_OPCODES.pong, payload: utf8(payload) });
  }

  /** Sends a Close frame, without a status where there is no code. */
  sendClose(code?: number, reason = ""): void {
    const payload = closePayload(code, reason);
    this.sendFrame({ opcode: REFERENCE_OPCODES.close, payload });
  }

  /** Closes: sends a Close frame, reads the answer, which has the same code, and ends. */
  async close(code: number | undefined = 1000): Promise<void> {
    this.sendClose(code);
    assertEquals(await this.readClose(), [code, ""]);
    await this.finish();
  }

  /** Reads the Close frame that the server begins with, answers it, and ends. */
  async answerClose(code: number, reason: string | RegExp = ""): Promise<void> {
    const [readCode, readReason] = await this.readClose();
    assertEquals(readCode, code);
    if (typeof reason === "string") assertEquals(readReason, reason);
    else assertMatch(readReason, reason);
    this.sendClose(code);
    await this.finish();
  }

  /** Reads a frame, and checks that the other side may send it. */
  async readFrame(): Promise<ReferenceFrame> {
    let found: ReturnType<typeof decodeReferenceFrame>;
    await this.until("a frame", () => {
      found = decodeReferenceFrame(this.#peek());
      return found !== undefined || this.#isOver;
    });
    assert(found !== undefined, `no frame, but ${this.#size} bytes and the end`);
    this.#take(found.end);
    const faults = frameFaults(found, this.#role === "client" ? "server" : "client");
    assertEquals(this.allowsRsv1 ? faults.filter((fault) => fault !== RSV1_FAULT) : faults, []);
    return found.frame;
  }

  /** Reads a message of one frame or more: a string where it is text. */
  async readMessage(): Promise<string | Uint8Array> {
    const { opcode, payload } = await this.readPayload();
    return opcode === REFERENCE_OPCODES.text ? decodeUtf8(payload) : payload;
  }

  /** Reads the payload of a message of one frame or more: it is compressed where RSV1 is set. */
  async readPayload(): Promise<Pick<ReferenceFrame, "opcode" | "rsv" | "payload">> {
    const first = await this.readFrame();
    const { text, binary, continuation } = REFERENCE_OPCODES;
    assert([text, binary].some((opcode) => opcode === first.opcode), describeFrame(first));
    const payloads = [first.payload];
    for (let { fin } = first; !fin;) {
      const next = await this.readFrame();
      assertEquals([next.opcode, next.rsv], [continuation, 0], describeFrame(next));
      payloads.push(next.payload);
      fin = next.fin;
    }
    return { ...first, payload: concatBytes(payloads) };
  }

  /** Reads a Ping, and gives its payload. */
  async readPing(): Promise<string> {
    const frame = await this.readFrame();
    assertEquals(frame.opcode, REFERENCE_OPCODES.ping, describeFrame(frame));
    return decodeUtf8(frame.payload);
  }

  /** Reads a Pong, and gives its payload. */
  async readPong(): Promise<string> {
    const frame = await this.readFrame();
    assertEquals(frame.opcode, REFERENCE_OPCODES.pong, describeFrame(frame));
    return decodeUtf8(frame.payload);
  }

  /** Reads a Close frame: its code, where it has one, and reason. */
  async readClose(): Promise<[code: number | undefined, reason: string]> {
    const frame = await this.readFrame();
    assertEquals(frame.opcode, REFERENCE_OPCODES.close, describeFrame(frame));
    const { payload } = frame;
    if (payload.length === 0) return [undefined, ""];
    return [payload[0] * 256 + payload[1], decodeUtf8(payload.subarray(2))];
  }

  get #isOver(): boolean {
    return this.hasEnded || this.isClosed;
  }

  #peek(): Uint8Array {
    if (this.#chunks.length !== 1) this.#chunks = [concatBytes(this.#chunks)];
    return this.#chunks[0];
  }

  #take(size: number): Uint8Array {
    const bytes = this.#peek();
    this.#chunks = [bytes.subarray(size)];
    this.#size -= size;
    return bytes.subarray(0, size);
  }
}

/** Encodes a frame of a client, masked unless it says otherwise. */
export function clientFrame(init: ReferenceFrameInit): Uint8Array {
  return encodeReferenceFrame({ maskingKey: MASKING_KEY, ...init });
}

/** Encodes a text message of a client. */
export function textFrame(text: string): Uint8Array {
  return clientFrame({ opcode: REFERENCE_OPCODES.text, payload: utf8(text) });
}

/** Encodes a Close frame of a client, without a status where there is no code. */
export function closeFrame(code?: number, reason = ""): Uint8Array {
  return clientFrame({ opcode: REFERENCE_OPCODES.close, payload: closePayload(code, reason) });
}

/** The payload of a Close frame. */
function closePayload(code: number | undefined, reason: string): Uint8Array {
  const status = code === undefined ? [] : [code >>> 8, code & 0xff];
  return concatBytes([Uint8Array.from(status), utf8(reason)]);
}

/** The bytes of a text. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The text of a payload, which must be UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
}

/** The bytes of a text of characters up to U+00FF. */
export function latin1(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

function asLatin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** Takes a head apart: its first line, and its fields by name in lower case, repeated ones joined. */
export function parseHead(text: string): { line: string; headers: Map<string, string> } {
  const [line, ...lines] = text.slice(0, -4).split("\r\n");
  const headers = new Map<string, string>();
  for (const field of lines) {
    const [, name, value] = /^([!#-'*+.^_`|~\w-]+): (.*)$/.exec(field) ?? [];
    assert(name !== undefined, `header line "${field}"`);
    const before = headers.get(name.toLowerCase());
    headers.set(name.toLowerCase(), before === undefined ? value : `${before}, ${value}`);
  }
  return { line, headers };
}

function describeFrame({ opcode, fin, payload }: ReferenceFrame): string {
  const text = new TextDecoder().decode(payload.subarray(0, 100));
  return `a frame of opcode ${opcode}, fin ${fin}, ${payload.length} bytes: ${
    JSON.stringify(text)
  }`;
}
