/**
 * An echo server for the tests of the conformance cases themselves: slow, simple and strict, built
 * on the reference frames, and able to make one mistake on purpose.
 *
 * @module
 */

import { createHash } from "node:crypto";
import { createServer, type Socket } from "node:net";
import {
  closePayloadFaults,
  concatBytes,
  encodeReferenceFrame,
  headerFaults,
  isReferenceCloseCode,
  maskReference,
  REFERENCE_OPCODES,
  type ReferenceFrameInit,
  shortestLengthForm,
} from "../support/reference_frames.ts";
import {
  answerOffers,
  type CompressionMistake,
  PlainCompression,
  TooLarge,
} from "./plain_compression.ts";

/** The mistakes the server can make; those of compression are in plain_compression.ts. */
export type Mistake =
  | "accepts RSV bits"
  | "accepts reserved opcodes"
  | "accepts frames that are not masked"
  | "accepts lengths that are not minimal"
  | "accepts long control frames"
  | "accepts fragmented control frames"
  | "accepts continuations of nothing"
  | "accepts messages within messages"
  | "accepts any close code"
  | "accepts close reasons that are not UTF-8"
  | "accepts Close frames of one byte"
  | "accepts text that is not UTF-8"
  | "checks UTF-8 at the end of the message"
  | "checks UTF-8 at the end of the frame"
  | "accepts text that ends within a code point"
  | "checks frames only when they are whole"
  | "knows no limit"
  | "drops the echo before an error"
  | "drops the echo before Close"
  | "echoes after Close"
  | "answers pings after Close"
  | "answers two Close frames"
  | "answers pongs"
  | "answers only the last of the pings at hand"
  | "answers pings with nothing"
  | "answers pings after the message in progress"
  | "answers Close with 1000"
  | "fails with 1000"
  | "fails with 1002 on text that is not UTF-8"
  | "ends without a Close frame"
  | "never ends the connection"
  | "ends the connection late"
  | "resets the connection"
  | "sends masked frames"
  | "sends lengths that are not minimal"
  | "sends RSV bits"
  | "sends fragments with the opcode of the message"
  | "sends binary for text"
  | "strips byte order marks"
  | "swaps messages"
  | "loses what came with the request"
  | "sends a wrong accept key"
  | "selects an extension";
export type AnyMistake = Mistake | CompressionMistake;

/** A server that was started. */
export interface PlainServer {
  url: URL;
  close(): Promise<void>;
}

/** Starts a server on a free port of 127.0.0.1. */
export async function startPlainServer(mistake?: AnyMistake): Promise<PlainServer> {
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    new PlainConnection(socket, mistake);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: new URL(`ws://127.0.0.1:${port}/`),
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const LIMIT = 16n * 1024n * 1024n;
/** How late the server is that "ends the connection late". */
export const SLOW_MS = 300;
const { continuation, text, binary, close, pong } = REFERENCE_OPCODES;
/** The reserved bits, as they are in the first byte. */
const RSV = 0x70;
const RSV1 = 0x40;

/** The connection must be failed with this code. */
class Failure extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

class PlainConnection {
  readonly #socket: Socket;
  readonly #mistake: AnyMistake | undefined;
  #input: Uint8Array[] = [];
  #isOpen = false;
  #isClosed = false;
  /** What waits for the end of the input at hand. */
  #output: Uint8Array[] = [];
  #lastPing: Uint8Array | undefined;
  #latePongs: Uint8Array[] = [];
  #compression: PlainCompression | undefined;
  /** The message in progress. */
  #opcode: number | undefined;
  #isCompressed = false;
  #fragments: Uint8Array[] = [];
  #messageLength = 0n;
  #utf8 = new Utf8State();
  /** How much of the frame in progress `#utf8` has seen. */
  #validated = 0;

  constructor(socket: Socket, mistake: AnyMistake | undefined) {
    this.#socket = socket;
    this.#mistake = mistake;
    socket.on("data", (bytes: Uint8Array) => this.#receive(bytes));
    socket.on("end", () => socket.end());
    socket.on("error", () => socket.destroy());
  }

  #makes(mistake: AnyMistake): boolean {
    return this.#mistake === mistake;
  }

  #receive(bytes: Uint8Array): void {
    this.#input.push(bytes);
    if (this.#isClosed && !this.#makes("echoes after Close")) return;
    try {
      this.#receiveAll();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (this.#makes("drops the echo before an error")) this.#output = [];
      let { code } = error;
      if (this.#makes("fails with 1000")) code = 1000;
      if (this.#makes("fails with 1002 on text that is not UTF-8")) code = 1002;
      this.#sendClose(code);
    }
    if (this.#lastPing !== undefined) this.#send({ opcode: pong, payload: this.#lastPing });
    this.#lastPing = undefined;
    this.#flush();
  }

  #receiveAll(): void {
    let input = concatBytes(this.#input);
    let start = 0;
    if (!this.#isOpen) {
      const head = new TextDecoder("latin1").decode(input);
      const end = head.indexOf("\r\n\r\n");
      if (end === -1) return;
      this.#open(head);
      start = this.#makes("loses what came with the request") ? input.length : end + 4;
    }
    while (start < input.length) {
      if (this.#isClosed && !this.#makes("echoes after Close")) break;
      const length = this.#receiveFrame(input.subarray(start));
      if (length === undefined) break;
      start += length;
    }
    input = input.slice(start);
    this.#input = [input];
  }

  #open(head: string): void {
    const key = /^sec-websocket-key: *(.*)$/im.exec(head)![1].trim();
    const guid = this.#makes("sends a wrong accept key") ? "nonsense" : GUID;
    const accept = createHash("sha1").update(key + guid).digest("base64");
    const offers = [...head.matchAll(/^sec-websocket-extensions: *(.*)$/gim)];
    const makes = (mistake: AnyMistake) => this.#makes(mistake);
    const agreed = answerOffers(offers.map(([, offer]) => offer.trim()).join(), makes);
    if (agreed !== undefined) {
      this.#compression = new PlainCompression(agreed.parameters, Number(LIMIT), makes);
    }
    const selected = this.#makes("selects an extension") ? "permessage-deflate" : agreed?.answer;
    const extension = selected === undefined ? "" : `Sec-WebSocket-Extensions: ${selected}\r\n`;
    this.#socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
        `Sec-WebSocket-Accept: ${accept}\r\n${extension}\r\n`,
    );
    this.#isOpen = true;
  }

  /** Takes the frame the input begins with; undefined where it is not whole. */
  #receiveFrame(input: Uint8Array): number | undefined {
    const isEager = !this.#makes("checks frames only when they are whole");
    if (isEager) this.#checkHeader(input);
    if (input.length < 2) return undefined;
    const shortLength = input[1] & 0x7f;
    const lengthBytes = shortLength < 126 ? 0 : shortLength === 126 ? 2 : 8;
    const masked = input[1] >= 0x80;
    const headerLength = 2 + lengthBytes + (masked ? 4 : 0);
    if (input.length < headerLength) return undefined;
    let length = BigInt(shortLength);
    if (lengthBytes > 0) {
      length = 0n;
      for (let i = 2; i < 2 + lengthBytes; i++) length = length * 256n + BigInt(input[i]);
    }
    const opcode = input[0] & 0x0f;
    const fin = input[0] >= 0x80;
    const isControl = opcode >= 8;
    if (isEager && !isControl && !this.#makes("knows no limit")) {
      const before = opcode === continuation ? this.#messageLength : 0n;
      if (before + length > LIMIT) throw new Failure(1009, "too big");
    }

    const onWire = input.subarray(headerLength, headerLength + Number(length));
    const isWhole = BigInt(onWire.length) === length;
    const isText = (opcode === text || (opcode === continuation && this.#opcode === text)) &&
      (!this.#isCompressedFrame(input[0]) || this.#makes("checks the UTF-8 of what is compressed"));
    if (!isWhole && !(isText && isEager)) return undefined;
    const key = masked ? input.subarray(headerLength - 4, headerLength) : new Uint8Array(4);
    if (!isWhole) {
      if (!this.#makes("checks UTF-8 at the end of the frame")) {
        this.#validate(opcode, maskReference(onWire, key), false);
      }
      return undefined;
    }
    if (!isEager) this.#checkHeader(input);
    const payload = maskReference(onWire, key);
    if (isControl) {
      this.#receiveControl(opcode, payload);
    } else {
      if (isText) this.#validate(opcode, payload, fin);
      this.#validated = 0;
      if (opcode !== continuation) this.#isCompressed = this.#isCompressedFrame(input[0]);
      this.#receiveFragment(fin, opcode, payload);
    }
    return headerLength + Number(length);
  }

  /** Tells whether a frame is part of a compressed message. */
  #isCompressedFrame(firstByte: number): boolean {
    const opcode = firstByte & 0x0f;
    if (opcode === continuation) return this.#isCompressed;
    return this.#mayBeCompressed && (opcode === text || opcode === binary) &&
      (firstByte & RSV1) !== 0;
  }

  get #mayBeCompressed(): boolean {
    return this.#compression !== undefined;
  }

  /** Gives the first byte of a frame without the RSV bits that it may have. */
  #withoutFlags(firstByte: number): number {
    if (!this.#mayBeCompressed) {
      return this.#makes("accepts RSV1 after it declined") ? firstByte & ~RSV1 : firstByte;
    }
    const opcode = firstByte & 0x0f;
    if (opcode === continuation) {
      return this.#makes("accepts RSV1 on continuations") ? firstByte & ~RSV1 : firstByte;
    }
    if (opcode >= 8) {
      return this.#makes("accepts RSV1 on control frames") ? firstByte & ~RSV1 : firstByte;
    }
    return firstByte & ~(this.#makes("accepts other RSV bits with RSV1") ? RSV : RSV1);
  }

  /** Checks as much of a header as there is. */
  #checkHeader(input: Uint8Array): void {
    const excused: Record<string, Mistake> = {
      RSV: "accepts RSV bits",
      reserved: "accepts reserved opcodes",
      fragmented: "accepts fragmented control frames",
      control: "accepts long control frames",
      client: "accepts frames that are not masked",
    };
    const firstByte = this.#withoutFlags(input[0]);
    const secondByte = input.length > 1 ? input[1] : 0x80;
    for (const fault of headerFaults(firstByte, secondByte, "client")) {
      if (excused[fault.split(" ")[0]] !== this.#mistake) throw new Failure(1002, fault);
    }
    const opcode = input[0] & 0x0f;
    if (opcode === continuation && this.#opcode === undefined) {
      if (!this.#makes("accepts continuations of nothing")) {
        throw new Failure(1002, "nothing there");
      }
    } else if ((opcode === text || opcode === binary) && this.#opcode !== undefined) {
      if (!this.#makes("accepts messages within messages")) throw new Failure(1002, "not finished");
    }
    if (this.#makes("accepts lengths that are not minimal")) return;
    const shortLength = secondByte & 0x7f;
    if (shortLength === 126 && input.length >= 4 && input[2] * 256 + input[3] < 126) {
      throw new Failure(1002, "not minimal");
    }
    if (shortLength === 127) {
      if (input.length >= 3 && input[2] >= 0x80) throw new Failure(1002, "most significant bit");
      if (input.length >= 10 && input.subarray(2, 8).every((byte) => byte === 0)) {
        throw new Failure(1002, "not minimal");
      }
    }
  }

  /** Checks the text of a frame as far as it is in. */
  #validate(opcode: number, payload: Uint8Array, isEnd: boolean): void {
    if (opcode === text && this.#validated === 0) this.#utf8 = new Utf8State();
    const valid = this.#utf8.take(payload.subarray(this.#validated));
    this.#validated = payload.length;
    if (this.#makes("accepts text that is not UTF-8")) return;
    if (this.#makes("checks UTF-8 at the end of the message") && !isEnd) return;
    if (!valid) throw new Failure(1007, "not UTF-8");
    if (isEnd && !this.#utf8.isComplete) {
      if (!this.#makes("accepts text that ends within a code point")) {
        throw new Failure(1007, "not UTF-8");
      }
    }
  }

  #receiveFragment(fin: boolean, opcode: number, payload: Uint8Array): void {
    if (opcode !== continuation || this.#opcode === undefined) {
      this.#opcode = opcode === continuation ? text : opcode;
      this.#fragments = [];
      this.#messageLength = 0n;
    }
    this.#fragments.push(payload);
    this.#messageLength += BigInt(payload.length);
    if (!fin) return;
    const messageOpcode = this.#opcode;
    const whole = this.#isCompressed
      ? this.#inflate(messageOpcode, this.#fragments)
      : concatBytes(this.#fragments);
    this.#opcode = undefined;
    this.#echo(messageOpcode, whole, this.#isCompressed);
    this.#isCompressed = false;
    for (const late of this.#latePongs.splice(0)) this.#send({ opcode: pong, payload: late });
  }

  #inflate(opcode: number, fragments: readonly Uint8Array[]): Uint8Array {
    try {
      const message = this.#compression!.inflate(fragments);
      const state = new Utf8State();
      const isUtf8 = opcode !== text || (state.take(message) && state.isComplete);
      if (isUtf8 || this.#makes("accepts compressed text that is not UTF-8")) return message;
    } catch (error) {
      throw new Failure(error instanceof TooLarge ? 1009 : 1007, String(error));
    }
    throw new Failure(1007, "not UTF-8");
  }

  #echo(opcode: number, payload: Uint8Array, isCompressed: boolean): void {
    if (this.#makes("sends binary for text")) opcode = binary;
    const hasMark = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
    if (this.#makes("strips byte order marks") && hasMark) payload = payload.subarray(3);
    if (this.#makes("sends fragments with the opcode of the message") && payload.length > 1) {
      this.#send({ opcode, fin: false, payload: payload.subarray(0, 1) });
      this.#send({ opcode, payload: payload.subarray(1) });
      return;
    }
    const deflated = isCompressed ? this.#compression!.deflate(payload) : undefined;
    if (deflated === undefined) {
      this.#compression?.passPlain(payload);
      this.#send({ opcode, payload, rsv: this.#makes("sets RSV1 on plain messages") ? 4 : 0 });
    } else if (this.#makes("sets RSV1 on each fragment")) {
      this.#send({ opcode, rsv: 4, fin: false, payload: deflated.subarray(0, 1) });
      this.#send({ opcode: continuation, rsv: 4, payload: deflated.subarray(1) });
    } else {
      const rsv = this.#makes("sends compressed messages without RSV1") ? 0 : 4;
      this.#send({ opcode, rsv, payload: deflated });
    }
    if (this.#makes("swaps messages") && this.#output.length > 1) {
      this.#output.unshift(this.#output.pop()!);
    }
  }

  #receiveControl(opcode: number, payload: Uint8Array): void {
    if (opcode === close) return this.#receiveClose(payload);
    if (opcode === pong) {
      if (this.#makes("answers pongs")) this.#send({ opcode: pong, payload });
    } else if (this.#makes("answers pings with nothing")) {
      this.#send({ opcode: pong });
    } else if (this.#makes("answers only the last of the pings at hand")) {
      this.#lastPing = payload;
    } else if (
      this.#makes("answers pings after the message in progress") && this.#opcode !== undefined
    ) {
      this.#latePongs.push(payload);
    } else {
      this.#send({ opcode: pong, payload });
    }
  }

  #receiveClose(payload: Uint8Array): void {
    const code = payload.length < 2 ? undefined : payload[0] * 256 + payload[1];
    for (const fault of closePayloadFaults(payload)) {
      if (fault.startsWith("Close payload")) {
        if (!this.#makes("accepts Close frames of one byte")) throw new Failure(1002, fault);
      } else if (fault.startsWith("close code")) {
        if (!this.#makes("accepts any close code")) throw new Failure(1002, fault);
      } else if (!this.#makes("accepts close reasons that are not UTF-8")) {
        throw new Failure(1007, fault);
      }
    }
    if (this.#makes("drops the echo before Close")) this.#output = [];
    if (this.#makes("answers two Close frames")) this.#sendClose(code);
    const isKnown = code === undefined || isReferenceCloseCode(code);
    this.#sendClose(this.#makes("answers Close with 1000") || !isKnown ? 1000 : code);
  }

  #sendClose(code: number | undefined): void {
    if (!this.#makes("ends without a Close frame")) {
      const payload = code === undefined ? undefined : Uint8Array.of(code >> 8, code & 0xff);
      this.#send({ opcode: close, payload });
    }
    this.#isClosed = true;
  }

  #send(init: ReferenceFrameInit): void {
    const frame = { ...init };
    const length = frame.payload?.length ?? 0;
    if (this.#makes("sends masked frames")) frame.maskingKey = Uint8Array.of(1, 2, 3, 4);
    if (this.#makes("sends RSV bits")) frame.rsv = 4;
    if (this.#makes("sets RSV1 on pongs") && frame.opcode === pong) frame.rsv = 4;
    if (this.#makes("sends lengths that are not minimal")) {
      frame.lengthForm = shortestLengthForm(BigInt(length)) === 7 ? 16 : 64;
    }
    this.#output.push(encodeReferenceFrame(frame));
  }

  #flush(): void {
    for (const bytes of this.#output.splice(0)) this.#socket.write(bytes);
    if (!this.#isClosed) return;
    if (this.#makes("answers pings after Close")) {
      this.#socket.write(encodeReferenceFrame({ opcode: pong }));
    }
    if (this.#makes("resets the connection")) {
      setTimeout(() => this.#socket.resetAndDestroy(), 20);
    } else if (this.#makes("ends the connection late")) {
      setTimeout(() => this.#socket.end(), SLOW_MS);
    } else if (this.#makes("echoes after Close")) {
      setTimeout(() => this.#socket.end(), 20);
    } else if (!this.#makes("never ends the connection")) {
      this.#socket.end();
    }
  }
}

/** Takes UTF-8 byte by byte. */
class Utf8State {
  #missing = 0;
  #lowest = 0x80;
  #highest = 0xbf;
  #isValid = true;

  get isComplete(): boolean {
    return this.#missing === 0;
  }

  /** Takes bytes; false where one of these, or of those before, was impossible. */
  take(bytes: Uint8Array): boolean {
    for (const byte of bytes) this.#isValid &&= this.#takeByte(byte);
    return this.#isValid;
  }

  #takeByte(byte: number): boolean {
    if (this.#missing > 0) {
      if (byte < this.#lowest || byte > this.#highest) return false;
      this.#lowest = 0x80;
      this.#highest = 0xbf;
      this.#missing--;
      return true;
    }
    if (byte < 0x80) return true;
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.#missing = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.#lowest = 0xa0;
    if (byte === 0xed) this.#highest = 0x9f;
    if (byte === 0xf0) this.#lowest = 0x90;
    if (byte === 0xf4) this.#highest = 0x8f;
    return true;
  }
}
