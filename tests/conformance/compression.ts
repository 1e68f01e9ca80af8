/**
 * The client's side of what was agreed upon: how cases compress what they send, and how what comes is
 * decompressed.
 *
 * @module
 */

import {
  ReferenceDeflater,
  ReferenceInflater,
  type ReferenceParameters,
} from "../support/reference_deflate.ts";

const NOTHING: ReferenceParameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
};

/** The compression of one connection. */
export class Compression {
  /** Whether messages may be compressed. */
  readonly isAgreed: boolean;
  readonly parameters: ReferenceParameters;
  readonly inflater: ReferenceInflater;
  readonly #deflater: ReferenceDeflater;

  constructor(parameters: ReferenceParameters | undefined) {
    this.isAgreed = parameters !== undefined;
    this.parameters = parameters ?? NOTHING;
    const { serverMaxWindowBits, serverNoContextTakeover } = this.parameters;
    this.inflater = new ReferenceInflater(serverMaxWindowBits, !serverNoContextTakeover);
    const { clientMaxWindowBits, clientNoContextTakeover } = this.parameters;
    this.#deflater = new ReferenceDeflater(clientMaxWindowBits, !clientNoContextTakeover);
  }

  /** Compresses the next message, with the window of those before where that is kept. */
  deflate(message: Uint8Array): Promise<Uint8Array> {
    return this.#deflater.deflate(message);
  }

  /** Lets go of what it holds. */
  close(): void {
    this.#deflater.close();
  }
}
