import type { Role } from "../codec/frame.ts";
import type { ExtensionOffer } from "../http1/field_values.ts";
import type { CompressionSettings } from "./compression_options.ts";
import {
  acceptDeflateOffer,
  type DeflateParameters,
  encodeDeflateOffer,
  readDeflateResponse,
} from "./deflate_parameters.ts";
import { DeflatePool } from "./deflate_pool.ts";
import { MessageDeflater } from "./message_deflater.ts";
import { MessageInflater } from "./message_inflater.ts";
import { deflaterSize, DeflateStreams, inflaterSize } from "./zlib.ts";

/**
 * The smallest window of zlib. Told to compress with 8 bits, it takes these in silence; it then looks back
 * by 250 bytes at most, as 8 bits would have it. To inflate, they are enough for both.
 */
const MIN_WINDOW_BITS = 9;

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
   * Creates one side's.
   *
   * @param onClose Called when the connection ends.
   */
  constructor(
    role: Role,
    pool: DeflatePool,
    parameters: DeflateParameters,
    threshold: number,
    onClose?: () => void,
  ) {
    const server = {
      windowBits: parameters.serverMaxWindowBits,
      keepsWindow: !parameters.serverNoContextTakeover,
    };
    const client = {
      windowBits: parameters.clientMaxWindowBits,
      keepsWindow: !parameters.clientNoContextTakeover,
    };
    const [own, peer] = role === "server" ? [server, client] : [client, server];
    const deflaterBits = Math.max(own.windowBits, MIN_WINDOW_BITS);
    this.deflater = new MessageDeflater(pool, deflaterBits, own.keepsWindow);
    const inflaterBits = Math.max(peer.windowBits, MIN_WINDOW_BITS);
    this.inflater = new MessageInflater(pool, peer.keepsWindow, inflaterBits);
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

/** The memory that a connection takes that keeps its windows, about, in bytes. */
export function contextSize(settings: CompressionSettings): number {
  const { serverMaxWindowBits, clientMaxWindowBits, memoryLevel } = settings;
  return deflaterSize(serverMaxWindowBits, memoryLevel) +
    inflaterSize(clientMaxWindowBits, Infinity);
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
    const { threshold } = this.#settings;
    if (serverNoContextTakeover && clientNoContextTakeover) {
      return new PerMessageDeflate("server", this.#pool, parameters, threshold);
    }
    this.#contexts++;
    return new PerMessageDeflate(
      "server",
      this.#pool,
      parameters,
      threshold,
      () => this.#contexts--,
    );
  }
}

/** What clients share that compress alike, by level and memory level. */
const clientPools: Map<string, DeflatePool> = new Map();

/** Offers compression to a server. */
export class DeflateOffer {
  readonly #pool: DeflatePool;
  readonly #settings: CompressionSettings;
  /** In the order of preference (section 5.1). */
  readonly #offers: Partial<DeflateParameters>[];

  private constructor(pool: DeflatePool, settings: CompressionSettings) {
    this.#pool = pool;
    this.#settings = settings;
    const { contextTakeover, serverMaxWindowBits, clientMaxWindowBits } = settings;
    const clientNoContextTakeover = !contextTakeover;
    this.#offers = [{
      serverNoContextTakeover: !contextTakeover,
      clientNoContextTakeover,
      serverMaxWindowBits,
      clientMaxWindowBits,
    }];
    // Servers that can't set a window decline that. What they send is not to cost a larger window that
    // is kept; an empty one for each message costs nothing.
    if (serverMaxWindowBits < 15 || clientMaxWindowBits < 15) {
      this.#offers.push({ serverNoContextTakeover: true, clientNoContextTakeover });
    }
  }

  /**
   * Prepares for it.
   *
   * @throws {Error} Where the runtime can't compress.
   */
  static async create(settings: CompressionSettings): Promise<DeflateOffer> {
    const name = `${settings.level} ${settings.memoryLevel}`;
    let pool = clientPools.get(name);
    if (pool === undefined) {
      pool = new DeflatePool(await DeflateStreams.load(), settings);
      clientPools.set(name, pool);
    }
    return new DeflateOffer(pool, settings);
  }

  /** The value of `Sec-WebSocket-Extensions`. */
  encode(): string {
    return this.#offers.map(encodeDeflateOffer).join(", ");
  }

  /**
   * Creates the compression of a connection.
   *
   * @param response What the server answered.
   * @throws {WebSocketError} Where it may not.
   */
  open(response: ExtensionOffer): PerMessageDeflate {
    const { threshold, clientMaxWindowBits } = this.#settings;
    const parameters = this.#read(response);
    // A smaller window than was agreed upon is one, too.
    parameters.clientMaxWindowBits = Math.min(parameters.clientMaxWindowBits, clientMaxWindowBits);
    return new PerMessageDeflate("client", this.#pool, parameters, threshold);
  }

  /** Reads the answer to whichever offer it fits. */
  #read(response: ExtensionOffer): DeflateParameters {
    const [first, ...others] = this.#offers;
    try {
      return readDeflateResponse(response, first!);
    } catch (error) {
      for (const offer of others) {
        try {
          return readDeflateResponse(response, offer);
        } catch {
          // The first one's error says more.
        }
      }
      throw error;
    }
  }
}
