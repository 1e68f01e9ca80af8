import type {
  Address,
  ByteChannel,
  ByteChannelHandler,
  ByteListener,
  Listen,
} from "../connection/byte_channel.ts";
import type { Clock } from "../connection/clock.ts";
import type { CloseInfo, Connection, ConnectionCallbacks } from "../connection/connection.ts";
import { checkDuration, MAX_DURATION_MS } from "../connection/options.ts";
import { reportError } from "../connection/report_error.ts";
import { type ConnectionOwner, WebSocketConnection } from "../connection/web_socket_connection.ts";
import { HandshakeError } from "../errors.ts";
import { DeflateNegotiator } from "../extensions/permessage_deflate.ts";
import { checkFunction, checkSignal } from "../checks.ts";
import { checkLimit } from "../limits.ts";
import { checkCloseStatus } from "../protocol/close_payload.ts";
import { Admission } from "./admission.ts";
import { MemoryBudget, type MemoryBudgetOptions, resolveMemoryBudget } from "./memory_budget.ts";
import {
  type AcceptedUpgrade,
  type HandshakeOwner,
  OpeningHandshake,
} from "./opening_handshake.ts";
import {
  type AcceptSettings,
  checkTls,
  type Handler,
  resolveAcceptOptions,
  resolveListenTarget,
  type ServeOptions,
} from "./options.ts";
import { SpreadClose } from "./spread_close.ts";
import { ServerCounters, type ServerEvent, type ServerStats } from "./stats.ts";

/** How a server is shut down. */
export interface ShutdownOptions {
  /**
   * The status code the connections are closed with: one that may be sent.
   *
   * @default {1001}
   */
  closeCode?: number;
  /**
   * The reason sent with the code, at most 123 bytes of UTF-8.
   *
   * @default {""}
   */
  reason?: string;
  /**
   * Over how long to spread the closing, in milliseconds: an integer from 0 to 2,147,483,647. Each
   * connection is closed at a random moment of it, so that not all clients return in the same
   * second: give it with the code 1012, "service restart", where another server takes over.
   *
   * @default {0}
   */
  spreadMs?: number;
  /**
   * How long to wait for the connections to close, from the end of `spreadMs` on, in milliseconds:
   * an integer from 1 to 2,147,483,647, or `Infinity`. Past it they are dropped.
   *
   * @default {5000}
   */
  timeoutMs?: number;
}

/**
 * A server that listens.
 *
 * @typeParam Data What the `upgrade` hook attaches to connections.
 */
export interface Server<Data = unknown> extends AsyncDisposable {
  /** The address the server listens on; the port is the real one where 0 was asked for. */
  readonly addr: Address;
  /** The open connections. */
  readonly connections: ReadonlySet<Connection<Data>>;
  /** Resolves when the server has been shut down: nothing listens, no connection is open. */
  readonly finished: Promise<void>;
  /**
   * Shuts the server down: closes the connections with 1001, waits for them, and drops those that have
   * not closed in time. New handshakes are refused with 503 meanwhile. Calling it again changes
   * nothing.
   *
   * @returns The same promise as {@linkcode Server.finished}.
   * @throws {RangeError} Where the code or the timeout is out of its range.
   * @throws {TypeError} Where the reason is too long.
   */
  shutdown(options?: ShutdownOptions): Promise<void>;
  /** Tells what the server has done so far, and how it stands. Takes time for each connection. */
  stats(): ServerStats;
  /** Keeps the process alive while the server listens (the default). */
  ref(): void;
  /** Lets the process end while the server listens and no connection is open. */
  unref(): void;
}

/** The implementation of {@linkcode Server}, over the `listen` of an adapter. */
export class WebSocketServer<Data> implements Server<Data>, HandshakeOwner<Data>, ConnectionOwner {
  readonly #settings: AcceptSettings<Data>;
  readonly #handler: Handler<Data> | undefined;
  readonly #secure: boolean;
  readonly #admission: Admission;
  readonly #maxHandshakes: number;
  readonly budget: MemoryBudget | undefined;
  compression: DeflateNegotiator | undefined;
  readonly #onEvent: ((event: ServerEvent<Data>) => void) | undefined;
  readonly #counters: ServerCounters = new ServerCounters();
  readonly #finished = Promise.withResolvers<void>();
  readonly #handshakes: Set<OpeningHandshake<Data>> = new Set();
  readonly #connections: Set<WebSocketConnection<Data>> = new Set();
  #listener!: ByteListener;
  #isShuttingDown = false;
  #isListening = true;
  #shutdownTimer: unknown;
  #spreadClose: SpreadClose | undefined;
  #removeSignal: (() => void) | undefined;

  private constructor(
    settings: AcceptSettings<Data>,
    handler: Handler<Data> | undefined,
    secure: boolean,
    admission: Admission,
    maxHandshakes: number,
    memoryBudget: MemoryBudgetOptions | undefined,
    onEvent: ((event: ServerEvent<Data>) => void) | undefined,
  ) {
    this.#settings = settings;
    this.#handler = handler;
    this.#secure = secure;
    this.#admission = admission;
    this.#maxHandshakes = maxHandshakes;
    if (memoryBudget !== undefined) {
      const { clock, limits } = settings.connection;
      const members = [this.#connections, this.#handshakes];
      this.budget = new MemoryBudget(memoryBudget, limits.maxMessageSize, members, clock);
    }
    this.#onEvent = onEvent;
  }

  /** Checks the options, and listens. */
  static async listen<Data>(
    listen: Listen,
    options: ServeOptions<Data> & ConnectionCallbacks<Data>,
    handler: Handler<Data> | undefined,
    clock?: Clock,
  ): Promise<WebSocketServer<Data>> {
    const settings = resolveAcceptOptions(options, clock);
    const { tls, signal, maxHandshakes = 10_000 } = options;
    checkFunction("onEvent", options.onEvent);
    checkHandler(handler, settings.callbacks);
    checkTls(tls);
    checkSignal(signal);
    const admission = new Admission(options);
    checkLimit("maxHandshakes", maxHandshakes, 0);
    const memoryBudget = resolveMemoryBudget(
      options.memoryBudget,
      settings.connection.limits.maxMessageSize,
    );
    const target = resolveListenTarget(options);
    signal?.throwIfAborted();
    const secure = tls !== undefined;
    const server = new WebSocketServer(
      settings,
      handler,
      secure,
      admission,
      maxHandshakes,
      memoryBudget,
      options.onEvent?.bind(options),
    );
    if (settings.compression !== undefined) {
      server.compression = await DeflateNegotiator.create(settings.compression);
    }
    server.#listener = await listen(target, tls, (channel) => server.#accept(channel));
    server.#shutDownOn(signal);
    return server;
  }

  get addr(): Address {
    return this.#listener.addr;
  }

  get connections(): ReadonlySet<Connection<Data>> {
    return this.#connections;
  }

  get finished(): Promise<void> {
    return this.#finished.promise;
  }

  stats(): ServerStats {
    return this.#counters.stats(this.#connections, this.#handshakes);
  }

  ref(): void {
    this.#listener.ref();
  }

  unref(): void {
    this.#listener.unref();
  }

  shutdown(options: ShutdownOptions = {}): Promise<void> {
    const { closeCode = 1001, reason = "", spreadMs = 0, timeoutMs = 5_000 } = options;
    checkCloseStatus({ closeCode, reason });
    if (spreadMs !== 0) checkDuration("spreadMs", spreadMs);
    if (spreadMs === Infinity) {
      throw new RangeError("Cannot use Infinity as spreadMs: it has an end");
    }
    checkDuration("timeoutMs", timeoutMs);
    if (this.#isShuttingDown) return this.finished;
    this.#isShuttingDown = true;
    this.#removeSignal?.();
    const { clock } = this.#settings.connection;
    this.#spreadClose = new SpreadClose(
      this.#connections,
      { closeCode, reason },
      spreadMs,
      clock,
    );
    // Nobody waits for an answer where no request has begun.
    for (const handshake of this.#handshakes) if (!handshake.hasBegun) handshake.drop();
    if (timeoutMs !== Infinity) {
      const delayMs = Math.min(spreadMs + timeoutMs, MAX_DURATION_MS);
      this.#shutdownTimer = clock.setTimeout(() => this.#dropAll(), delayMs);
    }
    this.#finishIfDone();
    return this.finished;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  // ---- The owner of handshakes ----

  refusal(isUpgrade: boolean, remote: Address): HandshakeError | undefined {
    if (this.#isShuttingDown) return new HandshakeError(503, "The server is shutting down");
    return isUpgrade ? this.#admission.refusal(remote) : undefined;
  }

  acceptUpgrade(
    handshake: OpeningHandshake<Data>,
    { channel, info, response, received }: AcceptedUpgrade<Data>,
  ): void {
    const { connection, callbacks } = this.#settings;
    this.#handshakes.delete(handshake);
    const conn = new WebSocketConnection("server", channel, info, connection, callbacks, this);
    this.#connections.add(conn);
    this.#admission.add(channel.remoteAddress);
    this.#counters.countOpen();
    conn.answer(response, received);
    this.#tell({ type: "open", conn });
    conn.start(this.#handler);
  }

  endHandshake(
    handshake: OpeningHandshake<Data>,
    refusal: HandshakeError | undefined,
    remoteAddress: Address,
  ): void {
    this.#handshakes.delete(handshake);
    if (refusal !== undefined) {
      const { status, message } = refusal;
      this.#counters.countRefusal(status);
      this.#tell({ type: "refuse", status, reason: message, remoteAddress });
    }
    this.#finishIfDone();
  }

  // ---- The owner of connections ----

  reportError(error: unknown, conn: Connection): void {
    reportError(this.#settings.onError, error, conn as Connection<Data>);
  }

  removeConnection(conn: Connection, info: CloseInfo): void {
    this.#connections.delete(conn as WebSocketConnection<Data>);
    this.#counters.countClose(conn, info);
    this.#tell({ type: "close", conn: conn as Connection<Data>, info });
    this.#admission.remove(conn.remoteAddress);
    this.#finishIfDone();
  }

  #accept(channel: ByteChannel): void {
    if (this.#handshakes.size >= this.#maxHandshakes) {
      channel.handler = NOBODY;
      channel.abort();
      this.#counters.countDrop();
      this.#tell({ type: "drop", remoteAddress: channel.remoteAddress });
      return;
    }
    this.#handshakes.add(new OpeningHandshake(channel, this.#secure, this.#settings, this));
  }

  #tell(event: ServerEvent<Data>): void {
    try {
      this.#onEvent?.(event);
    } catch (error) {
      reportError(this.#settings.onError, error);
    }
  }

  #shutDownOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const shutDown = () => void this.shutdown();
    this.#removeSignal = () => signal.removeEventListener("abort", shutDown);
    if (signal.aborted) shutDown();
    else signal.addEventListener("abort", shutDown);
  }

  #dropAll(): void {
    for (const conn of this.#connections) conn.abort();
    for (const handshake of this.#handshakes) handshake.drop();
  }

  #finishIfDone(): void {
    if (!this.#isShuttingDown || !this.#isListening) return;
    if (this.#connections.size > 0 || this.#handshakes.size > 0) return;
    this.#isListening = false;
    this.#settings.connection.clock.clearTimeout(this.#shutdownTimer);
    this.#spreadClose?.stop();
    this.#listener.close().then(() => {
      // What was accepted while the listener closed.
      this.#dropAll();
      this.#finished.resolve();
    });
  }
}

/** Takes the events of a channel that is dropped. */
const NOBODY: ByteChannelHandler = {
  receive() {},
  receiveEnd() {},
  drain() {},
  receiveClosed() {},
};

function checkHandler(handler: unknown, callbacks: object | undefined): void {
  if (handler !== undefined && typeof handler !== "function") {
    throw new TypeError(`Cannot use ${String(handler)} as handler: it is a function`);
  }
  if (handler === undefined && callbacks === undefined) {
    throw new TypeError(
      "Cannot serve without a handler: give one, or one of the callbacks open, message, drain, close",
    );
  }
  if (handler !== undefined && callbacks !== undefined) {
    throw new TypeError("Cannot serve with a handler and callbacks at once: give one or the other");
  }
}
