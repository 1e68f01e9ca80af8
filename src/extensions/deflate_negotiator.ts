import type { ExtensionOffer } from "../http1/field_values.ts";
import type { CompressionSettings } from "./compression_options.ts";
import { acceptDeflateOffer, type DeflateParameters } from "./deflate_parameters.ts";
import { DeflatePool } from "./deflate_pool.ts";
import { PerMessageDeflate } from "./permessage_deflate.ts";
import { loadDeflateStreams } from "./zlib.ts";

export interface NegotiatedDeflate {
  /** The value of `Sec-WebSocket-Extensions` to answer with. */
  readonly response: string;
  /** Creates the compression of the connection. Called at most once. */
  open(): PerMessageDeflate;
}

/** Negotiates compression with the clients of a server. */
export class DeflateNegotiator {
  readonly #pool: DeflatePool;
  readonly #settings: CompressionSettings;
  #contexts = 0;

  private constructor(pool: DeflatePool, settings: CompressionSettings) {
    this.#pool = pool;
    this.#settings = settings;
  }

  /** @throws {Error} If the runtime can't compress. */
  static async create(settings: CompressionSettings): Promise<DeflateNegotiator> {
    return new DeflateNegotiator(new DeflatePool(await loadDeflateStreams(), settings), settings);
  }

  /** Picks an offer; returns `undefined` if none is acceptable. */
  accept(offers: readonly ExtensionOffer[]): NegotiatedDeflate | undefined {
    const { contextTakeover, maxContexts } = this.#settings;
    const accepted = acceptDeflateOffer(offers, {
      ...this.#settings,
      contextTakeover: contextTakeover && this.#pool.isContinuous && this.#contexts < maxContexts,
    });
    if (accepted === undefined) return undefined;
    return { response: accepted.response, open: () => this.#open(accepted.parameters) };
  }

  #open(parameters: DeflateParameters): PerMessageDeflate {
    const { serverNoContextTakeover, clientNoContextTakeover } = parameters;
    const hasContext = !serverNoContextTakeover || !clientNoContextTakeover;
    if (hasContext) this.#contexts++;
    const { threshold } = this.#settings;
    const onClose = hasContext ? () => this.#contexts-- : undefined;
    return new PerMessageDeflate("server", this.#pool, parameters, threshold, onClose);
  }
}
