/**
 * WebSocket frames, written out as RFC 6455, section 5.2 draws them: a second, deliberately plain
 * encoder and decoder for tests to hold the real ones against. It shares no code with `src/`,
 * checks nothing while it encodes, and can encode what must never be sent.
 *
 * @module
 */

/** The opcodes the RFC defines. */
export const REFERENCE_OPCODES = {
  continuation: 0x0,
  text: 0x1,
  binary: 0x2,
  close: 0x8,
  ping: 0x9,
  pong: 0xa,
} as const;

/** The forms a payload length can have on the wire: in 7, 16 or 64 bits. */
export type LengthForm = 7 | 16 | 64;

/** A frame. */
export interface ReferenceFrame {
  fin: boolean;
  /** RSV1, RSV2 and RSV3 as the bits 4, 2 and 1. */
  rsv: number;
  opcode: number;
  /** The 4 bytes of the masking key; undefined where the frame is not masked. */
  maskingKey: Uint8Array | undefined;
  /** The payload, not masked. */
  payload: Uint8Array;
}

/** What to encode; what is left out is as in a whole, unmasked frame. */
export interface ReferenceFrameInit extends Partial<ReferenceFrame> {
  opcode: number;
  /** The form of the length, also where it is not the shortest. @default the shortest */
  lengthForm?: LengthForm;
  /** The length to declare, also where it is a lie. @default that of the payload */
  declaredLength?: bigint;
}

/** A frame that was found in bytes. */
export interface FoundFrame {
  frame: ReferenceFrame;
  /** Where it ends (exclusive). */
  end: number;
  lengthForm: LengthForm;
}

/** The shortest form of a length: "the minimal number of bytes MUST be used" (section 5.2). */
export function shortestLengthForm(length: bigint): LengthForm {
  if (length <= 125n) return 7;
  if (length <= 65535n) return 16;
  return 64;
}

/** Masks or unmasks: byte i is XORed with byte i modulo 4 of the key (section 5.3). */
export function maskReference(payload: Uint8Array, maskingKey: Uint8Array): Uint8Array {
  const masked = new Uint8Array(payload.length);
  for (let i = 0; i < payload.length; i++) masked[i] = payload[i] ^ maskingKey[i % 4];
  return masked;
}

/** Encodes a frame, a wrong one too. */
export function encodeReferenceFrame(init: ReferenceFrameInit): Uint8Array {
  const { fin = true, rsv = 0, opcode, maskingKey, payload = new Uint8Array(0) } = init;
  const length = init.declaredLength ?? BigInt(payload.length);
  const form = init.lengthForm ?? shortestLengthForm(length);

  const firstByte = (fin ? 0x80 : 0) + rsv * 0x10 + opcode;
  const maskBit = maskingKey === undefined ? 0 : 0x80;
  const header = [firstByte];
  if (form === 7) {
    header.push(maskBit + Number(length));
  } else {
    header.push(maskBit + (form === 16 ? 126 : 127));
    for (let shift = form - 8; shift >= 0; shift -= 8) {
      header.push(Number((length >> BigInt(shift)) & 0xffn));
    }
  }
  if (maskingKey === undefined) return concatBytes([Uint8Array.from(header), payload]);
  return concatBytes([Uint8Array.from(header), maskingKey, maskReference(payload, maskingKey)]);
}

/** Decodes the frame that begins at `start`; undefined where the bytes end before it does. */
export function decodeReferenceFrame(bytes: Uint8Array, start = 0): FoundFrame | undefined {
  if (bytes.length < start + 2) return undefined;
  const firstByte = bytes[start];
  const secondByte = bytes[start + 1];
  let position = start + 2;

  const shortLength = secondByte & 0x7f;
  const lengthForm: LengthForm = shortLength < 126 ? 7 : shortLength === 126 ? 16 : 64;
  let length = BigInt(shortLength);
  if (lengthForm !== 7) {
    const lengthEnd = position + lengthForm / 8;
    if (bytes.length < lengthEnd) return undefined;
    length = 0n;
    for (; position < lengthEnd; position++) length = length * 256n + BigInt(bytes[position]);
  }

  let maskingKey: Uint8Array | undefined;
  if ((secondByte & 0x80) !== 0) {
    if (bytes.length < position + 4) return undefined;
    maskingKey = bytes.slice(position, position + 4);
    position += 4;
  }

  if (BigInt(bytes.length) < BigInt(position) + length) return undefined;
  const end = position + Number(length);
  const onWire = bytes.slice(position, end);
  const payload = maskingKey === undefined ? onWire : maskReference(onWire, maskingKey);
  const fin = (firstByte & 0x80) !== 0;
  const rsv = (firstByte & 0x70) >> 4;
  const opcode = firstByte & 0x0f;
  return { frame: { fin, rsv, opcode, maskingKey, payload }, end, lengthForm };
}

/**
 * Names what is wrong with the first two bytes of a frame, taken alone, where no extension is in
 * use; an empty list where nothing is. Whether a continuation has something to continue is not
 * theirs to tell.
 */
export function headerFaults(
  firstByte: number,
  secondByte: number,
  sender: "client" | "server",
): string[] {
  const faults: string[] = [];
  const fin = firstByte >= 0x80;
  const rsv = (firstByte & 0x70) >> 4;
  const opcode = firstByte & 0x0f;
  const masked = secondByte >= 0x80;
  const shortLength = secondByte & 0x7f;
  const isControl = opcode >= 8;

  if (rsv !== 0) faults.push(`RSV bits set (${rsv})`);
  if (!(Object.values(REFERENCE_OPCODES) as number[]).includes(opcode)) {
    faults.push(`reserved opcode (${opcode})`);
  }
  if (isControl && !fin) faults.push("fragmented control frame");
  if (isControl && shortLength > 125) faults.push("control frame of more than 125 bytes");
  if (sender === "client" && !masked) faults.push("client frame not masked");
  if (sender === "server" && masked) faults.push("server frame masked");
  return faults;
}

/** Names what is wrong with a whole frame, taken alone; an empty list where nothing is. */
export function frameFaults(found: FoundFrame, sender: "client" | "server"): string[] {
  const { frame, lengthForm } = found;
  const firstByte = (frame.fin ? 0x80 : 0) + frame.rsv * 0x10 + frame.opcode;
  const shortLength = lengthForm === 7 ? frame.payload.length : lengthForm === 16 ? 126 : 127;
  const secondByte = (frame.maskingKey === undefined ? 0 : 0x80) + shortLength;
  const faults = headerFaults(firstByte, secondByte, sender);
  if (lengthForm !== shortestLengthForm(BigInt(frame.payload.length))) {
    faults.push(`length ${frame.payload.length} in ${lengthForm} bits`);
  }
  if (frame.opcode === REFERENCE_OPCODES.close) faults.push(...closePayloadFaults(frame.payload));
  return faults;
}

/** Names what is wrong with the payload of a Close frame (sections 5.5.1 and 7.4). */
export function closePayloadFaults(payload: Uint8Array): string[] {
  if (payload.length === 0) return [];
  if (payload.length === 1) return ["Close payload of one byte"];
  const faults: string[] = [];
  const code = payload[0] * 256 + payload[1];
  if (!isReferenceCloseCode(code)) faults.push(`close code ${code}`);
  if (!isReferenceUtf8(payload.subarray(2))) faults.push("close reason that is not UTF-8");
  return faults;
}

// RFC 6455, section 7.4, and the IANA registry "WebSocket Close Code Number Registry".
const CLOSE_CODES = [[1000, 1003], [1007, 1014], [3000, 4999]];

/** Tells whether a Close frame may carry the code. */
export function isReferenceCloseCode(code: number): boolean {
  return CLOSE_CODES.some(([first, last]) => code >= first && code <= last);
}

/** Tells whether the bytes are UTF-8, as the platform's own decoder sees it. */
export function isReferenceUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}

/** Joins byte arrays. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let position = 0;
  for (const part of parts) {
    joined.set(part, position);
    position += part.length;
  }
  return joined;
}
