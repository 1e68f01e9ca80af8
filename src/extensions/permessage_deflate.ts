import type { Role } from "../codec/frame.ts";
import type { DeflateParameters } from "./deflate_parameters.ts";
import type { DeflatePool } from "./deflate_pool.ts";
import { MessageDeflater } from "./message_deflater.ts";
import { MessageInflater } from "./message_inflater.ts";

/**
 * The smallest window of zlib. Told to compress with 8 bits, it silently takes 9; it then looks back by at
 * most 250 bytes, as 8 bits require. For inflating, 9 bits are enough for both.
 */
const MIN_WINDOW_BITS = 9;

/** The compression of one connection, as negotiated. */
export class PerMessageDeflate {
  readonly deflater: MessageDeflater;
  readonly inflater: MessageInflater;
  /** log2 of the window if messages are compressed independently; `undefined` with context takeover. */
  readonly sharedWindowBits: number | undefined;
  readonly threshold: number;
  #onClose: (() => void) | undefined;

  constructor(
    role: Role,
    pool: DeflatePool,
    parameters: DeflateParameters,
    threshold: number,
    onClose?: () => void,
  ) {
    const server = {
      windowBits: Math.max(parameters.serverMaxWindowBits, MIN_WINDOW_BITS),
      keepsWindow: !parameters.serverNoContextTakeover,
    };
    const client = {
      windowBits: Math.max(parameters.clientMaxWindowBits, MIN_WINDOW_BITS),
      keepsWindow: !parameters.clientNoContextTakeover,
    };
    const [own, peer] = role === "server" ? [server, client] : [client, server];
    this.deflater = new MessageDeflater(pool, own.windowBits, own.keepsWindow);
    this.inflater = new MessageInflater(pool, peer.keepsWindow, peer.windowBits);
    this.sharedWindowBits = own.keepsWindow ? undefined : own.windowBits;
    this.threshold = threshold;
    this.#onClose = onClose;
  }

  close(): void {
    this.deflater.close();
    this.inflater.close();
    this.#onClose?.();
    this.#onClose = undefined;
  }
}
