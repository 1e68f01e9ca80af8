import { ByteCollector, cloneBytes, retainBytes } from "../codec/byte_collector.ts";
import { CloseCode } from "../codec/close_code.ts";
import { type FrameHandler, type HandlerResult, STOP } from "../codec/frame_decoder.ts";
import { isControl, Opcode } from "../codec/opcode.ts";
import { decodeUtf8, Utf8Validator } from "../codec/utf8.ts";
import { MessageTooBigError, ProtocolError } from "../errors.ts";
import type { MessageInflation } from "./message_compression.ts";

/** Whether a message is UTF-8 text or bytes (RFC 6455, section 5.6). */
export type MessageType = "text" | "binary";

/**
 * Takes what a {@linkcode MessageReceiver} makes of the frames.
 *
 * A method that returns `"stop"` takes nothing more for now: {@linkcode Protocol.receive} returns after the
 * current frame or piece of payload. Inflating stops too: after the piece at hand while streaming, otherwise
 * only within messages of more than 2 MiB. Any other result lets it go on.
 */
export interface MessageHandler {
  /** Takes a whole message: a string if its type is text. Not called while streaming. */
  receiveMessage(data: string | Uint8Array<ArrayBuffer>): HandlerResult;
  /** While streaming: takes the beginning of a message. */
  receiveMessageStart(type: MessageType): HandlerResult;
  /**
   * While streaming: takes a piece of a message, `bytes` from `start` to `end` (exclusive); a handler copies
   * what it keeps. The pieces of a text are cut anywhere, also within a code point.
   */
  receiveMessageChunk(bytes: Uint8Array, start: number, end: number): HandlerResult;
  /** While streaming: takes the end of a message, which was valid as a whole. */
  receiveMessageEnd(): HandlerResult;
  /** Takes the size of a piece of a compressed message that was inflated: at most 64 KiB, maybe 0. */
  countInflated?: ((size: number) => HandlerResult) | undefined;
  /** Is told of a fragment after the first one of a message, maybe an empty one. */
  countFragment?: (() => HandlerResult) | undefined;
}

/** Takes a control frame for `owner`; its payload is `bytes` from `start` to `end` (exclusive). */
export type ControlHandler<Owner> = (
  owner: Owner,
  opcode: Opcode,
  bytes: Uint8Array,
  start: number,
  end: number,
) => unknown;

/** The limits of what is received. `Infinity` stands for none. */
export interface MessageLimits {
  /**
   * The largest message, in bytes, as the sum of its fragments' lengths: 0 or more. Known from the frame header,
   * before any payload is kept; past it the connection fails with 1009.
   *
   * @default {1048576}
   */
  maxMessageSize: number;
  /**
   * How many more fragments than bytes a message may have, at each of its fragments: 1 or more. It is for fragments
   * that bring nothing: those with bytes are limited by `maxMessageSize`. Past it the connection fails with
   * 1008.
   *
   * @default {1024}
   */
  maxFragments: number;
}

// V8's longest string; reached only if `maxMessageSize` was raised that far.
const MAX_STRING_LENGTH = 2 ** 29 - 24;

const EMPTY = new Uint8Array(0);

/**
 * How many pieces of a message that is collected are inflated, at least, before it is stopped for others: to stop
 * all half-way would be to hold a part of each. A piece that inflates to nothing takes longer.
 */
const MAX_WORK = 32;
const EMPTY_PIECE_WORK = 4;

/** How much longer data may become by being compressed and flushed, for each fragment, in bytes. */
const MAX_FLUSH_LENGTH = 16;

/** What becomes of the payload of the message in progress. */
const Mode = { Collect: 0, Stream: 1, Discard: 2 } as const;
type Mode = typeof Mode[keyof typeof Mode];

/** Puts fragments together (RFC 6455, section 5.4), and checks text (8.1) and limits as early as the bytes allow. */
export class MessageReceiver<Owner> implements FrameHandler {
  readonly #handler: MessageHandler;
  readonly #owner: Owner;
  readonly #receiveControl: ControlHandler<Owner>;
  readonly #maxFragments: number;
  maxMessageSize: number;
  readonly #inflater: MessageInflation | undefined;
  /** What has arrived of a message that did not come whole. */
  #payload: ByteCollector | undefined;
  /** What has arrived of a control frame that came in pieces. */
  #control: ByteCollector | undefined;
  /** Validates the text in progress. */
  #utf8: Utf8Validator | undefined;
  #mode: Mode = Mode.Collect;
  /** What the next message is received as; `#mode` is that of the message in progress. */
  #nextMode: Mode = Mode.Collect;
  /** The type of the message in progress; undefined between messages. */
  #type: MessageType | undefined;
  #fragments = 0;
  /** What its headers have declared so far. */
  #size = 0;
  /** Whether it is compressed (RFC 7692, section 6). */
  #isCompressed = false;
  /** What it has been inflated to so far. */
  #inflatedSize = 0;
  /** Whether the inflater was given its tail. */
  #isTailFed = false;
  /** Whether the end of the message has arrived, and waits for what was not inflated yet. */
  #isEndDue = false;
  /** Whether the handler takes nothing more for now: inflating stops after the piece at hand. */
  isStopped = false;
  /** The frame in progress. */
  #fin = false;
  #opcode: Opcode = Opcode.Continuation;
  #payloadLength = 0;

  /** Whether the memory of the frames is used again: no message may refer to it. */
  #isInputBorrowed = true;

  constructor(
    maxMessageSize: number,
    maxFragments: number,
    handler: MessageHandler,
    owner: Owner,
    receiveControl: ControlHandler<Owner>,
    inflater?: MessageInflation,
  ) {
    this.maxMessageSize = maxMessageSize;
    this.#maxFragments = maxFragments;
    this.#handler = handler;
    this.#owner = owner;
    this.#receiveControl = receiveControl;
    this.#inflater = inflater;
  }

  /** Whether bytes wait to be inflated: `proceed` is due before any other input. */
  get isPending(): boolean {
    return this.#isEndDue || (this.#inflater?.isPending ?? false);
  }

  /** Begins to receive, as the handler takes more again; `borrowed` as in {@linkcode Protocol.receive}. */
  begin(borrowed: boolean): void {
    this.#isInputBorrowed = borrowed;
    this.isStopped = false;
  }

  /** Goes on inflating what was left when it stopped. */
  proceed(): void {
    this.#inflate();
    if (this.#isEndDue && !this.#inflater!.isPending) this.#receiveMessageEnd();
  }

  /** See {@linkcode Protocol.collectedLength}. */
  get collectedLength(): number {
    return (this.#payload?.length ?? 0) + (this.#inflater?.pendingLength ?? 0);
  }

  get heldLength(): number {
    return (this.#payload?.capacity ?? 0) + (this.#inflater?.heldLength ?? 0);
  }

  /** See {@linkcode Protocol.streaming}. */
  set streaming(streaming: boolean) {
    if (this.#nextMode === Mode.Discard) return;
    this.#nextMode = streaming ? Mode.Stream : Mode.Collect;
    if (!streaming || this.#type === undefined || this.#mode !== Mode.Collect) return;
    this.#mode = Mode.Stream;
    this.#obey(this.#handler.receiveMessageStart(this.#type));
    const collected = this.#payload?.take() ?? EMPTY;
    if (collected.length === 0) return;
    this.#obey(this.#handler.receiveMessageChunk(collected, 0, collected.length));
  }

  /** Drops data messages from now on, the one in progress included. */
  discard(): void {
    this.#mode = this.#nextMode = Mode.Discard;
    this.#payload?.borrow();
    this.#inflater?.close();
    this.#isEndDue = false;
  }

  receiveFrame(
    fin: boolean,
    rsv1: boolean,
    opcode: Opcode,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): unknown {
    if (isControl(opcode)) {
      return this.#receiveControl(this.#owner, opcode, bytes, start, end);
    } else if (rsv1 && fin && this.#nextMode === Mode.Collect) {
      this.#receiveCompressed(opcode, bytes, start, end);
    } else if (fin && opcode !== Opcode.Continuation && this.#nextMode === Mode.Collect) {
      this.#checkSize(end - start);
      return this.#handler.receiveMessage(
        opcode === Opcode.Text
          ? decodeText(bytes, start, end)
          : this.#isInputBorrowed
          ? cloneBytes(bytes, start, end)
          : retainBytes(bytes, start, end),
      );
    } else {
      this.#receiveFragment(rsv1, opcode, end - start);
      if (start < end) this.#receivePayload(bytes, start, end, fin);
      if (fin) this.#receiveMessageEnd();
    }
    return this.#result();
  }

  receiveFrameStart(fin: boolean, rsv1: boolean, opcode: Opcode, payloadLength: number): unknown {
    this.#fin = fin;
    this.#opcode = opcode;
    this.#payloadLength = payloadLength;
    if (!isControl(opcode)) this.#receiveFragment(rsv1, opcode, payloadLength);
    return this.#result();
  }

  receiveFramePayload(bytes: Uint8Array, start: number, end: number): unknown {
    if (isControl(this.#opcode)) {
      this.#control ??= new ByteCollector();
      this.#control.append(bytes, start, end, this.#payloadLength);
    } else {
      this.#receivePayload(bytes, start, end, this.#fin);
    }
    return this.#result();
  }

  receiveFrameEnd(): unknown {
    if (isControl(this.#opcode)) {
      const payload = this.#control?.take() ?? EMPTY;
      this.#control = undefined;
      return this.#receiveControl(this.#owner, this.#opcode, payload, 0, payload.length);
    }
    if (this.#fin) this.#receiveMessageEnd();
    return this.#result();
  }

  #obey(result: unknown): void {
    if (result === STOP) this.isStopped = true;
  }

  #result(): unknown {
    return this.isStopped ? STOP : undefined;
  }

  /** Takes a compressed message of one frame that lies whole in the input. */
  #receiveCompressed(opcode: Opcode, bytes: Uint8Array, start: number, end: number): void {
    const inflater = this.#inflater!;
    this.#receiveFragment(true, opcode, end - start);
    if (!inflater.feedWhole(bytes, start, end)) {
      this.#receivePayload(bytes, start, end, true);
      this.#receiveMessageEnd();
      return;
    }
    this.#isTailFed = true;
    const size = inflater.read(this.maxMessageSize);
    this.#checkSize(size);
    this.#obey(this.#handler.countInflated?.(size));
    if (inflater.isPending) {
      this.#inflatedSize = size;
      this.#receiveContent(inflater.output, 0, size, Infinity);
      this.#inflate();
      this.#receiveMessageEnd();
      return;
    }
    inflater.finish();
    this.#type = this.#utf8 = undefined;
    const { output } = inflater;
    this.#obey(this.#handler.receiveMessage(
      opcode === Opcode.Text ? decodeText(output, 0, size) : cloneBytes(output, 0, size),
    ));
  }

  #receiveFragment(rsv1: boolean, opcode: Opcode, length: number): void {
    if (opcode !== Opcode.Continuation) {
      this.#type = opcode === Opcode.Text ? "text" : "binary";
      this.#mode = this.#nextMode;
      this.#isCompressed = rsv1;
      this.#isTailFed = false;
      this.#inflatedSize = 0;
      this.#size = 0;
      this.#fragments = 0;
      if (opcode === Opcode.Text) this.#utf8 = new Utf8Validator();
      this.#checkDeclared(length);
      if (this.#mode === Mode.Stream) this.#obey(this.#handler.receiveMessageStart(this.#type));
    } else {
      this.#checkDeclared(this.#size + length);
      this.#obey(this.#handler.countFragment?.());
    }
    this.#size += length;
    // `maxMessageSize` is the limit of those that bring bytes.
    if (++this.#fragments - this.#size <= this.#maxFragments) return;
    throw new ProtocolError(
      CloseCode.PolicyViolation,
      `Cannot receive a message of more than ${this.#maxFragments} fragments and one for each byte`,
    );
  }

  #receivePayload(bytes: Uint8Array, start: number, end: number, fin: boolean): void {
    if (this.#mode === Mode.Discard) return;
    if (this.#isCompressed) {
      this.#inflater!.feed(bytes, start, end);
      this.#inflate();
    } else {
      // Only the last fragment tells how long the message is.
      this.#receiveContent(bytes, start, end, fin ? this.#size : Infinity);
    }
  }

  /** Inflates what there is, as long as it is wanted. */
  #inflate(): void {
    const inflater = this.#inflater!;
    let work = 0;
    while (inflater.isPending) {
      const size = inflater.read(this.maxMessageSize - this.#inflatedSize);
      work += size > 0 ? 1 : EMPTY_PIECE_WORK;
      this.#inflatedSize += size;
      this.#checkSize(this.#inflatedSize);
      this.#obey(this.#handler.countInflated?.(size));
      if (size > 0) this.#receiveContent(inflater.output, 0, size, Infinity);
      if (this.isStopped && (this.#mode === Mode.Stream || work >= MAX_WORK)) {
        inflater.keep();
        return;
      }
    }
  }

  #receiveContent(bytes: Uint8Array, start: number, end: number, expectedLength: number): void {
    if (this.#utf8 !== undefined && !this.#utf8.validate(bytes, start, end)) failUtf8();
    if (this.#mode === Mode.Stream) {
      this.#obey(this.#handler.receiveMessageChunk(bytes, start, end));
    } else {
      this.#payload ??= new ByteCollector(true);
      this.#payload.append(bytes, start, end, expectedLength, this.maxMessageSize);
    }
  }

  #receiveMessageEnd(): void {
    if (this.#isCompressed && this.#mode !== Mode.Discard) {
      const inflater = this.#inflater!;
      if (!inflater.isPending && !this.#isTailFed) {
        this.#isTailFed = true;
        inflater.feedTail();
        this.#inflate();
      }
      this.#isEndDue = inflater.isPending;
      if (this.#isEndDue) return;
      inflater.finish();
    }
    const type = this.#type;
    const utf8 = this.#utf8;
    this.#type = this.#utf8 = undefined;
    if (this.#mode === Mode.Discard) return;
    if (utf8 !== undefined && !utf8.complete) failUtf8();
    if (this.#mode === Mode.Stream) {
      this.#obey(this.#handler.receiveMessageEnd());
    } else {
      const payload = this.#payload ??= new ByteCollector(true);
      this.#obey(this.#handler.receiveMessage(
        type === "text" ? decodeLongText(payload.borrow()) : payload.take(),
      ));
    }
  }

  /** Checks what the headers declare. Data that can't be compressed becomes somewhat longer, and so do chunks. */
  #checkDeclared(size: number): void {
    if (this.#isCompressed) {
      const max = this.maxMessageSize;
      const flushes = Math.min(this.#fragments, max);
      if (size <= max + max / 8 + 1024 + flushes * MAX_FLUSH_LENGTH) return;
    }
    this.#checkSize(size);
  }

  #checkSize(size: number): void {
    const maxSize = this.maxMessageSize;
    if (size > maxSize) throw new MessageTooBigError(size, maxSize);
  }
}

function decodeText(bytes: Uint8Array, start: number, end: number): string {
  return decodeUtf8(bytes, start, end) ?? failUtf8();
}

/** Decodes text that was validated piece by piece: only its length can be a problem. */
function decodeLongText(payload: Uint8Array): string {
  const text = decodeUtf8(payload);
  if (text === undefined) throw new MessageTooBigError(payload.length, MAX_STRING_LENGTH);
  return text;
}

function failUtf8(): never {
  throw new ProtocolError(
    CloseCode.InvalidFramePayloadData,
    "Cannot receive a text message that is not UTF-8",
  );
}
