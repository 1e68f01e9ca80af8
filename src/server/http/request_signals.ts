import { saysAborted } from "../../hooks.ts";
import type { ByteChannel } from "../../transport/byte_channel.ts";
import type { RequestInfo } from "../options.ts";

/** The signals by which the program learns that a client has left, or that the server shuts down. */
export class RequestSignals {
  readonly #abort = new AbortController();
  readonly #shutdown = new ShutdownSignal();

  /**
   * Creates what a hook is given. It does not refer to the handshake, since a program may retain it.
   *
   * @param subprotocols The subprotocols that the hook may choose from.
   */
  createInfo(
    { remoteAddress, localAddress }: ByteChannel,
    subprotocols: readonly string[],
  ): RequestInfo {
    const shutdown = this.#shutdown;
    const { signal } = this.#abort;
    return {
      remoteAddress,
      localAddress,
      subprotocols,
      signal,
      get shutdownSignal() {
        return shutdown.signal;
      },
    };
  }

  /** The reason that the program was given for the end of the request, if there is one. */
  get reason(): unknown {
    return this.#abort.signal.reason;
  }

  /** Tells the program that nothing will become of its response. */
  abort(reason: unknown): void {
    this.#abort.abort(reason);
  }

  /** Tells the program that the server shuts down. */
  shutDown(reason: unknown): void {
    this.#shutdown.abort(reason);
  }

  /** Whether an error of the program says that it has given up, as one of its signals told it to. */
  isGivenUp(error: unknown): boolean {
    return saysAborted(error, this.#abort.signal) || this.isForShutdown(error);
  }

  /** The reason that the program was given for the shutdown. */
  get shutdownReason(): unknown {
    return this.#shutdown.created?.reason;
  }

  /** Whether an error of the program says that it has given up because of the shutdown. */
  isForShutdown(error: unknown): boolean {
    return saysAborted(error, this.#shutdown.created);
  }
}

/** A signal that is created when it is first asked for: most programs never do. */
class ShutdownSignal {
  #controller: AbortController | undefined;
  #reason: unknown;

  get signal(): AbortSignal {
    const controller = this.#controller ??= new AbortController();
    if (this.#reason !== undefined) controller.abort(this.#reason);
    return controller.signal;
  }

  /** The signal, if it was asked for. */
  get created(): AbortSignal | undefined {
    return this.#controller?.signal;
  }

  abort(reason: unknown): void {
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
