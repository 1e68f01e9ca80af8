import type { ByteChannel, Dialer } from "../transport/byte_channel.ts";
import type { Connection } from "../connection/connection.ts";
import { abortable } from "../promises.ts";
import { reportError } from "../hooks.ts";
import { WebSocketConnection } from "../connection/web_socket_connection.ts";
import { ConnectError, UnexpectedResponseError, WebSocketError } from "../errors.ts";
import { PERMESSAGE_DEFLATE } from "../extensions/deflate_parameters.ts";
import type { DeflateOffer, PerMessageDeflate } from "../extensions/permessage_deflate.ts";
import { computeAccept } from "../handshake/accept_key.ts";
import type { ExtensionOffer } from "../http1/field_values.ts";
import { KeptRequest } from "../http1/retained_request.ts";
import type { RequestHead } from "../http1/request_head.ts";
import type { ResponseHead } from "../http1/response_head_parser.ts";
import {
  createKey,
  createUpgradeRequest,
  encodeRequestHead,
} from "../handshake/upgrade_request.ts";
import { refuse, validateUpgradeResponse } from "../handshake/upgrade_response.ts";
import type { ResumeState } from "../resume/resume_state.ts";
import { RESUME, RESUME_FIELD } from "../resume/subprotocol.ts";
import { type Answer, Exchange } from "../http1/exchange.ts";
import type { ConnectSettings } from "./options.ts";
import { findProxy } from "./proxy.ts";
import { encodeTunnelRequest } from "./tunnel.ts";
import { parseWebSocketUrl, type WebSocketAddress } from "./url.ts";

/** A channel, and the exchange that is its handler. */
interface Line {
  readonly channel: ByteChannel;
  readonly exchange: Exchange;
}

/** The settings, with the header fields of this attempt. */
type AttemptSettings<Data> = Omit<ConnectSettings<Data>, "headers"> & {
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
};

/** How long the body of a refusal is waited for, in milliseconds. */
const BODY_TIMEOUT_MS = 1_000;

const EMPTY = new Uint8Array(0);
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
/** What is meant for the origin of the first URL, and for no other. */
const FOR_ORIGIN: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "host",
  "proxy-authorization",
]);

/** One attempt to connect: from the first address, over redirects, to a connection or an error. */
export class Attempt<Data> {
  readonly #dialer: Dialer;
  readonly #settings: AttemptSettings<Data>;
  readonly #offer: DeflateOffer | undefined;
  readonly #signal: AbortSignal;
  readonly #resume: ResumeState | undefined;

  /**
   * @param signal Gives up.
   * @param resume What the client remembers of the server, where it is to resume.
   */
  constructor(
    dialer: Dialer,
    settings: AttemptSettings<Data>,
    offer: DeflateOffer | undefined,
    signal: AbortSignal,
    resume: ResumeState | undefined,
  ) {
    this.#resume = resume;
    this.#dialer = dialer;
    this.#settings = settings;
    this.#offer = offer;
    this.#signal = signal;
  }

  /** Connects. See `Connect` for what it throws. */
  async connect(first: WebSocketAddress): Promise<Connection<Data>> {
    let address = first;
    for (let redirects = 0;; redirects++) {
      const key = createKey();
      const accept = await computeAccept(key);
      // Before anything is connected, as it checks what the program gave.
      const request = this.#createRequest(address, key, first);
      const bytes = encodeRequestHead(request);
      const { channel, exchange } = await this.#reach(address, first);
      try {
        const answer = await abortable(exchange.send(channel, bytes), this.#signal);
        const { head } = answer;
        if (head.status === 101) {
          await abortable(exchange.untilTaken(), this.#signal);
          if (exchange.isClosed) throw lost(address);
          return this.#open(channel, request, address, accept, answer);
        }
        const next = this.#redirect(head, address, redirects);
        if (next === undefined) throw await this.#refusal(exchange, answer, address.shown);
        channel.abort();
        address = next;
      } catch (error) {
        channel.abort();
        throw error;
      }
    }
  }

  #createRequest(address: WebSocketAddress, key: string, first: WebSocketAddress): RequestHead {
    const offered = this.#settings.subprotocols;
    // The last one: who takes the first without looking does not take this.
    const subprotocols = this.#resume === undefined ? offered : [...offered, RESUME];
    let headers = this.#settings.headers;
    const { target, host } = address;
    let { authorization } = address;
    if (isSameOrigin(address, first)) authorization ??= first.authorization;
    else headers = headers.filter(([name]) => !FOR_ORIGIN.has(name.toLowerCase()));
    const hasOwn = headers.some(([name]) => String(name).toLowerCase() === "authorization");
    if (authorization !== undefined && !hasOwn) {
      headers = [...headers, ["Authorization", authorization]];
    }
    const extensions = this.#offer?.encode();
    return createUpgradeRequest({ target, host, key, subprotocols, extensions, headers });
  }

  /** Connects to where the server is, by way of the proxy, with TLS where it is due. */
  async #reach(address: WebSocketAddress, first: WebSocketAddress): Promise<Line> {
    const { path, tls, headLimits } = this.#settings;
    const through = this.#settings.proxy;
    const proxy = through && findProxy(through, address, this.#dialer.readEnvironment);
    const { hostname, port } = proxy ?? address;
    const exchange = new Exchange(headLimits);
    const target = path === undefined ? { hostname, port } : { path };
    let line = {
      channel: await this.#dialer.dial(target, exchange, this.#signal),
      exchange,
    };
    try {
      if (proxy !== undefined) {
        try {
          if (proxy.secure) line = await this.#startTls(line, hostname, through!.tls);
          line = await this.#openTunnel(line, address, proxy.authorization);
        } catch (error) {
          throw toTunnelError(error, address, hostname, port);
        }
      }
      if (!address.secure) return line;
      // Who the program is, and by what name it knows the server, is for that origin only.
      const { cert: _cert, key: _key, serverName: _serverName, ...others } = tls;
      const options = isSameOrigin(address, first) ? tls : others;
      return await this.#startTls(line, address.hostname, options);
    } catch (error) {
      line.channel.abort();
      throw error;
    }
  }

  async #startTls(
    { channel, exchange }: Line,
    hostname: string,
    tls: ConnectSettings<Data>["tls"],
  ): Promise<Line> {
    if (exchange.isClosed) {
      throw new ConnectError("ECONNRESET", "Cannot begin TLS: the connection was lost");
    }
    const secured = new Exchange(this.#settings.headLimits);
    return {
      channel: await this.#dialer.startTls(channel, hostname, tls, secured, this.#signal),
      exchange: secured,
    };
  }

  async #openTunnel(
    { channel, exchange }: Line,
    address: WebSocketAddress,
    authorization: string | undefined,
  ): Promise<Line> {
    const request = encodeTunnelRequest(address, authorization);
    const answer = await abortable(exchange.send(channel, request), this.#signal);
    const { status } = answer.head;
    if (status < 200 || status > 299) {
      throw await this.#refusal(exchange, answer, `${address.shown} through the proxy`);
    }
    // Whoever speaks first through a tunnel is the client: this can only be the body of something else.
    if (answer.received.length > 0) throw refuse(answer.head, "the proxy sent bytes behind it");
    await abortable(exchange.untilTaken(), this.#signal);
    if (exchange.isClosed) throw lost(address);
    const next = new Exchange(this.#settings.headLimits);
    channel.handler = next;
    channel.resume();
    return { channel, exchange: next };
  }

  #open(
    channel: ByteChannel,
    request: RequestHead,
    address: WebSocketAddress,
    accept: string,
    { head, received }: Answer,
  ): Connection<Data> {
    const { subprotocols, connection, callbacks, data, onError } = this.#settings;
    const names = this.#offer === undefined ? [] : [PERMESSAGE_DEFLATE];
    const expected = {
      accept,
      subprotocols,
      extensions: names,
      optionalSubprotocol: this.#resume && RESUME,
    };
    const { protocol, extensions, accepted } = validateUpgradeResponse(head, expected);
    const resumed = this.#resume !== undefined && protocol === RESUME
      ? parseResumeField(head, subprotocols)
      : undefined;
    const info = {
      request: new KeptRequest(request, address.secure),
      protocol: resumed ?? (this.#resume !== undefined && protocol === RESUME ? "" : protocol),
      extensions,
      resume: resumed === undefined ? undefined : this.#resume,
      compression: this.#openCompression(head, accepted),
      data,
    };
    const conn = new WebSocketConnection("client", channel, info, connection, callbacks, {
      reportError: (error, conn) => reportError(onError, error, conn as Connection<Data>),
      removeConnection() {},
    });
    conn.answer(EMPTY, received, false);
    conn.startLater();
    return conn;
  }

  #openCompression(
    head: ResponseHead,
    accepted: readonly ExtensionOffer[],
  ): PerMessageDeflate | undefined {
    if (accepted.length === 0) return undefined;
    if (accepted.length > 1) throw refuse(head, `${PERMESSAGE_DEFLATE} more than once`);
    try {
      return this.#offer!.open(accepted[0]!);
    } catch (error) {
      throw error instanceof WebSocketError ? refuse(head, error.message) : error;
    }
  }

  /** Gives where the answer leads to; `undefined` where it is none that is followed. */
  #redirect(
    head: ResponseHead,
    address: WebSocketAddress,
    redirects: number,
  ): WebSocketAddress | undefined {
    const [location, ...more] = head.getAll("Location");
    const isFollowed = REDIRECTS.has(head.status) && redirects < this.#settings.maxRedirects;
    if (!isFollowed || location === undefined) return undefined;
    if (more.length > 0) throw refuse(head, "more than one Location header");
    let next;
    try {
      next = parseWebSocketUrl(location, address.url);
    } catch (error) {
      throw refuse(head, `it redirects to what is no WebSocket: ${(error as Error).message}`);
    }
    if (address.secure && !next.secure) throw refuse(head, "it redirects from wss: to ws:");
    return next;
  }

  /** @throws The reason of the program's signal. */
  async #refusal(exchange: Exchange, answer: Answer, where: string): Promise<Error> {
    const { clock } = this.#settings.connection;
    const { head } = answer;
    const controller = new AbortController();
    const stop = () => controller.abort();
    const timer = clock.setTimeout(stop, BODY_TIMEOUT_MS);
    this.#signal.addEventListener("abort", stop, { once: true });
    const body = await exchange.receiveBody(answer, controller.signal);
    clock.clearTimeout(timer);
    this.#signal.removeEventListener("abort", stop);
    // At the end of the time, the refusal says more than that.
    this.#settings.signal?.throwIfAborted();
    const hint = head.status < 300 ? ", which opens no WebSocket" : "";
    return new UnexpectedResponseError(
      `Cannot connect to ${where}: the answer was ${`${head.status} ${head.reason}`.trim()}${hint}`,
      head.status,
      head.toHeaders(),
      body,
    );
  }
}

/**
 * Gives the program's own subprotocol, which is told besides; `undefined` where the server does not speak
 * that of resuming, and only took the last that it was offered.
 */
function parseResumeField(head: ResponseHead, offered: readonly string[]): string | undefined {
  const values = head.getAll(RESUME_FIELD);
  if (values.length === 0) {
    if (offered.length === 0) return undefined;
    throw refuse(head, `none of the subprotocols ${offered.join(", ")} was selected`);
  }
  const [, protocol] = /^"([^"]*)"$/.exec(values.join(", ")) ?? [];
  if (protocol === undefined) throw refuse(head, `the field ${RESUME_FIELD} names no subprotocol`);
  if (offered.length === 0 ? protocol === "" : offered.includes(protocol)) return protocol;
  throw refuse(head, `the subprotocol ${JSON.stringify(protocol)} was not offered`);
}

function isSameOrigin(a: WebSocketAddress, b: WebSocketAddress): boolean {
  return a.secure === b.secure && a.host === b.host;
}

/** Names the proxy and where it is, in what failed before it had opened the tunnel. */
function toTunnelError(
  error: unknown,
  { url }: WebSocketAddress,
  hostname: string,
  port: number,
): unknown {
  const proxy = `the proxy at ${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  if (error instanceof ConnectError) {
    const reason = error.message.replace(/^Cannot connect(?: to [^ ]+)?: /, "");
    const message = `Cannot connect to ${url} through ${proxy}: ${reason}`
      .replace(": the server ended", ": it ended");
    return new ConnectError(error.code, message, error.cause);
  }
  if (error instanceof UnexpectedResponseError) {
    const { status, headers, body } = error;
    const message = error.message.includes("through the proxy")
      ? error.message.replace("through the proxy", () => `through ${proxy}`)
      : `Cannot connect to ${url} through ${proxy}: ${error.message}`;
    return new UnexpectedResponseError(message, status, headers, body);
  }
  return error;
}

function lost(address: WebSocketAddress): ConnectError {
  return new ConnectError(
    "ECONNRESET",
    `Cannot connect to ${address.shown}: the connection was lost`,
  );
}
