import type { ExtensionOffer } from "../handshake/field_values.ts";
import type { CompressionSettings } from "./compression_options.ts";
import { acceptDeflateOffer, type DeflateParameters } from "./deflate_parameters.ts";
import { DeflatePool } from "./deflate_pool.ts";
import { MessageDeflater } from "./message_deflater.ts";
import { MessageInflater } from "./message_inflater.ts";
import { DeflateStreams } from "./zlib.ts";

/** Clients that have zlib, and are told 8, mostly take 9. */
const MIN_INFLATER_BITS = 9;

/** The compression of one connection, as it was agreed upon. */
export class PerMessageDeflate {
  /** Compresses what is sent. */
  readonly deflater: MessageDeflater;
  /** Decompresses what is received. */
  readonly inflater: MessageInflater;
  /** The size from which on messages are compressed. */
  readonly threshold: number;
  #onClose: (() => void) | undefined;

  /**
   * Creates the server's side.
   *
   * @param onClose Called when the connection ends.
   */
  constructor(
    pool: DeflatePool,
    parameters: DeflateParameters,
    threshold: number,
    onClose: (() => void) | undefined,
  ) {
    const { serverMaxWindowBits, serverNoContextTakeover } = parameters;
    const { clientMaxWindowBits, clientNoContextTakeover } = parameters;
    this.deflater = new MessageDeflater(pool, serverMaxWindowBits, !serverNoContextTakeover);
    const inflaterBits = Math.max(clientMaxWindowBits, MIN_INFLATER_BITS);
    this.inflater = new MessageInflater(pool, !clientNoContextTakeover, inflaterBits);
    this.threshold = threshold;
    this.#onClose = onClose;
  }

  /** Gives the memory back. */
  close(): void {
    this.deflater.close();
    this.inflater.close();
    this.#onClose?.();
    this.#onClose = undefined;
  }
}

/** Agrees upon compression with the clients of a server. */
export class DeflateNegotiator {
  readonly #pool: DeflatePool;
  readonly #settings: CompressionSettings;
  /** The connections that keep a window. */
  #contexts = 0;

  private constructor(pool: DeflatePool, settings: CompressionSettings) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /**
   * Prepares for it.
   *
   * @throws {Error} Where the runtime can't compress.
   */
  static async create(settings: CompressionSettings): Promise<DeflateNegotiator> {
    return new DeflateNegotiator(new DeflatePool(await DeflateStreams.load(), settings), settings);
  }

  /** Picks an offer; gives what is agreed upon and the text to answer, or `undefined` where none fits. */
  accept(
    offers: readonly ExtensionOffer[],
  ): { parameters: DeflateParameters; response: string } | undefined {
    const { contextTakeover, maxContexts } = this.#settings;
    return acceptDeflateOffer(offers, {
      ...this.#settings,
      contextTakeover: contextTakeover && this.#contexts < maxContexts,
    });
  }

  /** Creates the compression of a connection. */
  open(parameters: DeflateParameters): PerMessageDeflate {
    const { serverNoContextTakeover, clientNoContextTakeover } = parameters;
    if (serverNoContextTakeover && clientNoContextTakeover) {
      return new PerMessageDeflate(this.#pool, parameters, this.#settings.threshold, undefined);
    }
    this.#contexts++;
    const onClose = () => this.#contexts--;
    return new PerMessageDeflate(this.#pool, parameters, this.#settings.threshold, onClose);
  }
}
