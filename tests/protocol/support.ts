import { assert } from "@std/assert";
import type { Frame } from "../../src/codec/mod.ts";
import {
  type CloseStatus,
  type MessageType,
  Protocol,
  ProtocolError,
  type ProtocolHandler,
  type ProtocolOptions,
  type Role,
} from "../../src/protocol/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { encodePlainly, frameOf, KEY_NUMBER, peerOf, utf8 } from "../codec/support.ts";
import { describeControl, describeFrames, describeMessage } from "./events.ts";

/**
 * Puts down what a protocol hands on, as lines. Streamed messages are put together, so that they
 * look like whole ones; the order of the calls that stream them is checked.
 */
export class EventLog implements ProtocolHandler {
  readonly events: string[] = [];
  /** How many messages came in pieces. */
  streamed = 0;
  /** The message that is being streamed. */
  type: MessageType | undefined;
  chunks: Uint8Array[] = [];

  receiveMessage(data: string | Uint8Array): void {
    assert(this.type === undefined, "a message within a streamed one");
    assert(typeof data === "string" || data.constructor === Uint8Array, "not a plain array");
    this.events.push(describeMessage(typeof data === "string" ? "text" : "binary", data));
  }

  receiveMessageStart(type: MessageType): void {
    assert(this.type === undefined, "a message within a streamed one");
    this.type = type;
    this.chunks = [];
    this.streamed++;
  }

  receiveMessageChunk(bytes: Uint8Array, start: number, end: number): void {
    assert(this.type !== undefined && start < end, "a chunk without a message, or an empty one");
    this.chunks.push(bytes.slice(start, end));
  }

  receiveMessageEnd(): void {
    assert(this.type !== undefined, "an end without a message");
    this.events.push(describeMessage(this.type, concatBytes(this.chunks)));
    this.type = undefined;
  }

  receivePing(payload: Uint8Array): void {
    this.events.push(describeControl(9, payload));
  }

  receivePong(payload: Uint8Array): void {
    this.events.push(describeControl(10, payload));
  }

  receiveClose({ closeCode, reason }: CloseStatus): void {
    this.events.push(`close ${closeCode} ${JSON.stringify(reason)}`);
  }
}

/** A protocol with its log. Its output is read by the reference. */
export class Side {
  readonly role: Role;
  readonly log: EventLog;
  readonly protocol: Protocol;

  constructor(role: Role, options: ProtocolOptions = {}, log: EventLog = new EventLog()) {
    this.role = role;
    this.log = log;
    this.protocol = new Protocol(role, log, { maskingKey: () => KEY_NUMBER, ...options });
  }

  /** What it received since the last call. */
  takeEvents(): string[] {
    return this.log.events.splice(0);
  }

  /** The frames it sent since the last call. */
  takeFrames(): string[] {
    return describeFrames(concatBytes(this.protocol.takeOutput()), this.role);
  }

  /** Gives it frames of the peer, which the reference encodes. */
  receive(...frames: Frame[]): void {
    this.protocol.receive(encodeFrames(peerOf(this.role), frames));
  }

  /** Gives it bytes that break the protocol, and returns the error. */
  receiveBad(bytes: Uint8Array): ProtocolError {
    try {
      this.protocol.receive(bytes.slice());
    } catch (error) {
      if (error instanceof ProtocolError) return error;
      throw error;
    }
    throw new Error("the bytes were accepted");
  }
}

/** Encodes frames of `sender` plainly, one behind the other. */
export function encodeFrames(
  sender: Role,
  frames: readonly Frame[],
  maskingKey?: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return concatBytes(
    frames.map((frame) => encodePlainly(sender, frame, maskingKey)),
  ) as Uint8Array<ArrayBuffer>;
}

/** The payload of a Close frame. */
export function closePayload(code: number, reason: string | Uint8Array = ""): Uint8Array {
  const text = typeof reason === "string" ? utf8(reason) : reason;
  return concatBytes([Uint8Array.of(code >> 8, code), text]);
}

/** A Close frame. */
export function closeFrame(code: number, reason = ""): Frame {
  return frameOf(8, closePayload(code, reason));
}

/** What a protocol made of a stream. */
export interface Outcome {
  events: string[];
  closeCode: number | undefined;
  /** The number of bytes given when the error came. */
  failedAt: number | undefined;
  side: Side;
}

/**
 * Gives pieces to a new protocol, and overwrites them afterwards, as a socket's buffer would be. Any
 * error but a `ProtocolError` escapes.
 */
export function receivePieces(
  role: Role,
  pieces: Iterable<Uint8Array>,
  { streaming = false, ...options }: ProtocolOptions & { streaming?: boolean } = {},
): Outcome {
  const side = new Side(role, options);
  side.protocol.streaming = streaming;
  const { events } = side.log;
  let given = 0;
  for (const piece of pieces) {
    const copy = piece.slice();
    given += copy.length;
    try {
      assert(side.protocol.receive(copy) === copy.length);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { events, closeCode: error.closeCode, failedAt: given, side };
    }
    copy.fill(0x55);
  }
  return { events, closeCode: undefined, failedAt: undefined, side };
}
