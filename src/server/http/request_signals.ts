import { saysAborted } from "../../hooks.ts";
import type { ByteChannel } from "../../transport/byte_channel.ts";
import type { RequestInfo } from "../options.ts";

/** The signals by which the program learns that a client has left, or that the server shuts down. */
export class RequestSignals {
  readonly #abort = new AbortController();
  /** Created when its signal is first asked for: most programs never do. */
  #shutdown: AbortController | undefined;
  #shutdownReason: unknown;

  /** Creates what a hook is given. It does not refer to the handshake, since a program may retain it. */
  createInfo(
    { remoteAddress, localAddress }: ByteChannel,
    subprotocols: readonly string[],
  ): RequestInfo {
    const { signal } = this.#abort;
    const askShutdown = () => this.#shutdownSignal;
    return {
      remoteAddress,
      localAddress,
      subprotocols,
      signal,
      get shutdownSignal() {
        return askShutdown();
      },
    };
  }

  get #shutdownSignal(): AbortSignal {
    this.#shutdown ??= new AbortController();
    if (this.#shutdownReason !== undefined) this.#shutdown.abort(this.#shutdownReason);
    return this.#shutdown.signal;
  }

  /** The reason that the program was given for the end of the request, if there is one. */
  get reason(): unknown {
    return this.#abort.signal.reason;
  }

  /** Tells the program that nothing will become of its response. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  shutDown(reason: unknown): void {
    this.#shutdownReason = reason;
    this.#shutdown?.abort(reason);
  }

  /** Whether an error of the program says that it has given up, as one of its signals told it to. */
  isGivenUp(error: unknown): boolean {
    return saysAborted(error, this.#abort.signal) || this.isForShutdown(error);
  }

  /** The reason that the program was given for the shutdown. */
  get shutdownReason(): unknown {
    return this.#shutdown?.signal.reason;
  }

  /** Whether an error of the program says that it has given up because of the shutdown. */
  isForShutdown(error: unknown): boolean {
    return saysAborted(error, this.#shutdown?.signal);
  }
}
