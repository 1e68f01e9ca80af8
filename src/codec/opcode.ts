/**
 * The opcodes of RFC 6455, section 5.2, under their IANA names (section 11.8). Opcodes 3 to 7 and
 * 11 to 15 are reserved: receiving one fails the connection.
 */
export const Opcode = {
  /** A further fragment of the message in progress (section 5.4). */
  Continuation: 0x0,
  /** The first fragment, or the whole, of a message of UTF-8 text (section 5.6). */
  Text: 0x1,
  /** The first fragment, or the whole, of a message of bytes (section 5.6). */
  Binary: 0x2,
  /** Starts or answers the closing handshake (section 5.5.1). */
  Close: 0x8,
  /** Asks for a Pong (section 5.5.2). */
  Ping: 0x9,
  /** Answers a Ping, or is a unidirectional heartbeat (section 5.5.3). */
  Pong: 0xA,
} as const;

/** One of the opcodes that RFC 6455 defines. */
export type Opcode = typeof Opcode[keyof typeof Opcode];

/** Tells whether the opcode is that of a control frame (RFC 6455, section 5.5). */
export function isControl(opcode: number): boolean {
  return (opcode & 0x8) !== 0;
}

/** Tells whether RFC 6455 defines the opcode, an integer from 0 to 15; the others are reserved. */
export function isOpcode(opcode: number): opcode is Opcode {
  return (opcode & 0x7) <= 2;
}
