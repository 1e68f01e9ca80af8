import type { ExtensionOffer } from "../http1/field_values.ts";
import type { CompressionSettings } from "./compression_options.ts";
import {
  type DeflateParameters,
  encodeDeflateOffer,
  readDeflateResponse,
} from "./deflate_parameters.ts";
import { DeflatePool } from "./deflate_pool.ts";
import { PerMessageDeflate } from "./permessage_deflate.ts";
import { loadDeflateStreams } from "./zlib.ts";

/** Pools that clients with the same level and memory level share. */
const clientPools: Map<string, DeflatePool> = new Map();

export class DeflateOffer {
  readonly #pool: DeflatePool;
  readonly #settings: CompressionSettings;
  /** In the order of preference (section 5.1). */
  readonly #offers: Partial<DeflateParameters>[];

  private constructor(pool: DeflatePool, settings: CompressionSettings) {
    this.#pool = pool;
    this.#settings = settings;
    const { serverMaxWindowBits, clientMaxWindowBits } = settings;
    const noContextTakeover = !settings.contextTakeover || !pool.isContinuous;
    this.#offers = [{
      serverNoContextTakeover: noContextTakeover,
      clientNoContextTakeover: noContextTakeover,
      serverMaxWindowBits,
      clientMaxWindowBits,
    }];
    // Servers that can't set a window decline that. A larger one must not cost more memory, which it does not
    // without context takeover.
    if (serverMaxWindowBits < 15 || clientMaxWindowBits < 15) {
      this.#offers.push({
        serverNoContextTakeover: true,
        clientNoContextTakeover: noContextTakeover,
      });
    }
  }

  /** @throws {Error} If the runtime can't compress. */
  static async create(settings: CompressionSettings): Promise<DeflateOffer> {
    const name = `${settings.level} ${settings.memoryLevel}`;
    let pool = clientPools.get(name);
    if (pool === undefined) {
      pool = new DeflatePool(await loadDeflateStreams(), settings);
      clientPools.set(name, pool);
    }
    return new DeflateOffer(pool, settings);
  }

  encode(): string {
    return this.#offers.map(encodeDeflateOffer).join(", ");
  }

  /** @throws {WebSocketError} If the response of the server does not fit the offer. */
  open(response: ExtensionOffer): PerMessageDeflate {
    const { threshold, clientMaxWindowBits } = this.#settings;
    const parameters = this.#read(response);
    // A client may use a smaller window than was negotiated.
    parameters.clientMaxWindowBits = Math.min(parameters.clientMaxWindowBits, clientMaxWindowBits);
    return new PerMessageDeflate("client", this.#pool, parameters, threshold);
  }

  /** Reads the answer to whichever of the offers it fits. */
  #read(response: ExtensionOffer): DeflateParameters {
    let firstError: unknown;
    for (const offer of this.#offers) {
      try {
        return readDeflateResponse(response, offer);
      } catch (error) {
        // The first one's says more than those of the others.
        firstError ??= error;
      }
    }
    throw firstError;
  }
}
