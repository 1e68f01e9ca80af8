import { checkBoolean, checkInteger, checkNames, type Names } from "../checks.ts";

export const PERMESSAGE_DEFLATE = "permessage-deflate";

/** How messages are compressed (RFC 7692). */
export interface CompressionOptions {
  /**
   * Whether each direction keeps its window from message to message, if the client agrees. Small
   * messages that resemble each other then become much smaller, and each connection holds memory from
   * its first compressed message on. To send: `2 ** (serverMaxWindowBits + 2)` and
   * `2 ** (memoryLevel + 8)` bytes, and a table of 64 KiB on Node, 128 KiB on Bun and Deno. To receive:
   * `2 ** clientMaxWindowBits` and about 10 KiB. By default that is 140 KiB on Node, and 204 KiB on Bun
   * and Deno.
   *
   * @default {false}
   */
  contextTakeover?: boolean | undefined;
  /**
   * The most connections that keep a window: 0 or more, or `Infinity`. Those past it are negotiated
   * without `contextTakeover`.
   *
   * @default {Infinity}
   */
  maxContexts?: number | undefined;
  /**
   * The size of the window this side compresses with, as the exponent of 2: 9 to 15. A client may ask
   * for a smaller one.
   *
   * @default {15} Or 13 with `contextTakeover`, as each connection then has one.
   */
  serverMaxWindowBits?: number | undefined;
  /**
   * The size of the window a client may compress with, as the exponent of 2: 9 to 15. A client that
   * can't be held to it keeps no window.
   *
   * @default {15} Or 13 with `contextTakeover`, as each connection then has one.
   */
  clientMaxWindowBits?: number | undefined;
  /**
   * How hard to try: 0 (not at all) to 9. For JSON of 1 KiB, 4 takes a tenth to a third less time, and
   * gives up to a tenth more bytes.
   *
   * @default {6}
   */
  level?: number | undefined;
  /**
   * How much memory to compress with: 1 to 9.
   *
   * @default {8} Or 6 with `contextTakeover`, as each connection then has it.
   */
  memoryLevel?: number | undefined;
  /**
   * The size in bytes from which on messages are compressed, unless `send` says otherwise: 0 or more,
   * or `Infinity`.
   *
   * @default {1024}
   */
  threshold?: number | undefined;
}

export const COMPRESSION_OPTIONS: Names<CompressionOptions> = {
  contextTakeover: true,
  maxContexts: true,
  serverMaxWindowBits: true,
  clientMaxWindowBits: true,
  level: true,
  memoryLevel: true,
  threshold: true,
};

/** The options of compression, checked and complete. */
export type CompressionSettings = {
  readonly [Name in keyof CompressionOptions]-?: Exclude<CompressionOptions[Name], undefined>;
};

/**
 * Checks the options, and fills in the defaults; returns `undefined` if nothing is compressed.
 *
 * @param known Every option there is.
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of another type.
 */
export function resolveCompressionOptions(
  given: CompressionOptions | boolean = false,
  known: Readonly<Record<string, unknown>> = COMPRESSION_OPTIONS,
): CompressionSettings | undefined {
  if (given === false) return undefined;
  if (given !== true) checkNames("compression", given, known, "compression", "a boolean");
  const {
    contextTakeover = false,
    maxContexts = Infinity,
    serverMaxWindowBits = contextTakeover ? 13 : 15,
    clientMaxWindowBits = contextTakeover ? 13 : 15,
    level = 6,
    memoryLevel = contextTakeover ? 6 : 8,
    threshold = 1024,
  } = given === true ? {} : given;
  checkBoolean("compression.contextTakeover", contextTakeover);
  checkInteger("compression.maxContexts", maxContexts, 0, Infinity);
  checkInteger("compression.serverMaxWindowBits", serverMaxWindowBits, 9, 15);
  checkInteger("compression.clientMaxWindowBits", clientMaxWindowBits, 9, 15);
  checkInteger("compression.level", level, 0, 9);
  checkInteger("compression.memoryLevel", memoryLevel, 1, 9);
  checkInteger("compression.threshold", threshold, 0, Infinity);
  return {
    contextTakeover,
    maxContexts,
    serverMaxWindowBits,
    clientMaxWindowBits,
    level,
    memoryLevel,
    threshold,
  };
}
