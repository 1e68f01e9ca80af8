import type { Dialer } from "../transport/byte_channel.ts";
import { type ClientConnection, ClientWebSocketConnection } from "./client_connection.ts";
import { abortable } from "../abortable.ts";
import { reportError } from "../hooks.ts";
import { openConnection } from "../connection/open_connection.ts";
import { ConnectError, UnexpectedResponseError, WebSocketError } from "../errors.ts";
import { PERMESSAGE_DEFLATE } from "../extensions/compression_options.ts";
import type { DeflateOffer } from "../extensions/deflate_offer.ts";
import { computeAccept } from "../handshake/accept_key.ts";
import type { ExtensionOffer } from "../http1/field_values.ts";
import { RetainedRequest } from "../http1/retained_request.ts";
import { RequestHead } from "../http1/request_head.ts";
import { encodeRequestHead } from "../http1/encode_request.ts";
import { HttpExchange, type HttpResponse } from "../http1/http_exchange.ts";
import { responseError, type ResponseHead } from "../http1/response_head.ts";
import { createKey, createUpgradeRequest } from "../handshake/create_request.ts";
import { validateUpgradeResponse } from "../handshake/validate_response.ts";
import { createLayer } from "../connection/create_layer.ts";
import { ClientLayer } from "../resume/client_layer.ts";
import type { ResumeState } from "../resume/resume_state.ts";
import { RESUME, RESUME_FIELD } from "../resume/subprotocol.ts";
import type { ConnectionCompression } from "../protocol/message_compression.ts";
import type { ConnectSettings } from "./options.ts";
import { findProxy } from "./proxy.ts";
import { parseWebSocketUrl, type WebSocketAddress } from "./url.ts";

interface AttemptSettings<Data> extends Omit<ConnectSettings<Data>, "headers"> {
  readonly dialer: Dialer;
  /** Those of this attempt. A program may give a function for them. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>;
  /** The compression to offer, if any. */
  readonly offer: DeflateOffer | undefined;
  /** Ends the attempt when it aborts. */
  readonly ended: AbortSignal;
  /** The state of the session to resume, if any. */
  readonly resume: ResumeState | undefined;
}

/** How long to wait for the body of a refusal, in milliseconds. */
const BODY_TIMEOUT_MS = 1_000;

const REDIRECTS = [301, 302, 303, 307, 308];
/** The fields that are sent to the origin of the first URL only, and not after a redirect to another. */
const FOR_ORIGIN = ["authorization", "cookie", "host", "proxy-authorization"];

/** One attempt to connect, redirects included: it results in a connection or an error. */
export class ConnectAttempt<Data> {
  readonly #settings: AttemptSettings<Data>;

  constructor(settings: AttemptSettings<Data>) {
    this.#settings = settings;
  }

  async connect(first: WebSocketAddress): Promise<ClientConnection<Data>> {
    let address = first;
    for (let redirects = 0;; redirects++) {
      const key = createKey();
      const accept = await computeAccept(key);
      // Before connecting, since it throws if an option of the program is invalid.
      const request = this.#createRequest(address, key, first);
      const bytes = encodeRequestHead(request);
      const exchange = await this.#reach(address, first);
      try {
        const response = await abortable(exchange.send(bytes), this.#settings.ended);
        const { head } = response;
        if (head.status === 101) {
          await abortable(exchange.untilWritten(), this.#settings.ended);
          if (exchange.isClosed) throw lostError(address);
          return this.#open(exchange, request, address, accept, response);
        }
        const next = this.#redirect(head, address, redirects);
        if (next === undefined) throw await this.#refusal(exchange, response, address.shown);
        exchange.channel.abort();
        address = next;
      } catch (error) {
        exchange.channel.abort();
        throw error;
      }
    }
  }

  #createRequest(address: WebSocketAddress, key: string, first: WebSocketAddress): RequestHead {
    const offered = this.#settings.subprotocols;
    // Last, since some servers select the first one whatever it is.
    const subprotocols = this.#settings.resume === undefined ? offered : [...offered, RESUME];
    let headers = this.#settings.headers;
    const { target, host } = address;
    let { authorization } = address;
    if (isSameOrigin(address, first)) authorization ??= first.authorization;
    else headers = headers.filter(([name]) => !FOR_ORIGIN.includes(name.toLowerCase()));
    const hasOwn = headers.some(([name]) => String(name).toLowerCase() === "authorization");
    if (authorization !== undefined && !hasOwn) {
      headers = [...headers, ["Authorization", authorization]];
    }
    const extensions = this.#settings.offer?.encode();
    return createUpgradeRequest({ target, host, key, subprotocols, extensions, headers });
  }

  /** Opens a channel to the server: through the proxy if there is one, and with TLS for a `wss:` URL. */
  async #reach(address: WebSocketAddress, first: WebSocketAddress): Promise<HttpExchange> {
    const { path, tls, headLimits } = this.#settings;
    const through = this.#settings.proxy;
    const proxy = through && findProxy(through, address, this.#settings.dialer.readEnvironment);
    const { hostname, port } = proxy ?? address;
    const target = path === undefined ? { hostname, port } : { path };
    let exchange = new HttpExchange(headLimits);
    exchange.channel = await this.#settings.dialer.dial(target, exchange, this.#settings.ended);
    try {
      if (proxy !== undefined) {
        try {
          if (proxy.secure) exchange = await this.#startTls(exchange, hostname, through!.tls);
          exchange = await this.#openTunnel(exchange, address, proxy.authorization);
        } catch (error) {
          throw toTunnelError(error, address, hostname, port);
        }
      }
      if (!address.secure) return exchange;
      // The client certificate and `serverName` are for the origin of the first URL only.
      const { cert: _cert, key: _key, serverName: _serverName, ...others } = tls;
      const options = isSameOrigin(address, first) ? tls : others;
      return await this.#startTls(exchange, address.hostname, options);
    } catch (error) {
      exchange.channel.abort();
      throw error;
    }
  }

  async #startTls(
    { channel, isClosed }: HttpExchange,
    hostname: string,
    tls: ConnectSettings<Data>["tls"],
  ): Promise<HttpExchange> {
    if (isClosed) throw new ConnectError("ECONNRESET", "Cannot begin TLS: the connection was lost");
    const next = new HttpExchange(this.#settings.headLimits);
    next.channel = await this.#settings.dialer.startTls(
      channel,
      hostname,
      tls,
      next,
      this.#settings.ended,
    );
    return next;
  }

  /** Asks a proxy for a tunnel to the server (RFC 9110, section 9.3.6). */
  async #openTunnel(
    exchange: HttpExchange,
    address: WebSocketAddress,
    authorization: string | undefined,
  ): Promise<HttpExchange> {
    const authority = `${withBrackets(address.hostname)}:${address.port}`;
    const fields: [name: string, value: string][] = [["Host", authority]];
    if (authorization !== undefined) fields.push(["Proxy-Authorization", authorization]);
    const request = encodeRequestHead(new RequestHead("CONNECT", authority, fields));
    const response = await abortable(exchange.send(request), this.#settings.ended);
    const { head, received } = response;
    if (head.status < 200 || head.status > 299) {
      throw await this.#refusal(exchange, response, `${address.shown} through the proxy`);
    }
    // The client sends first through a tunnel, so these bytes do not come from the server.
    if (received.length > 0) throw responseError(head, "the proxy sent bytes behind it");
    await abortable(exchange.untilWritten(), this.#settings.ended);
    if (exchange.isClosed) throw lostError(address);
    const next = new HttpExchange(this.#settings.headLimits);
    next.channel = exchange.channel;
    next.channel.handler = next;
    next.channel.resume();
    return next;
  }

  #open(
    { channel }: HttpExchange,
    request: RequestHead,
    address: WebSocketAddress,
    accept: string,
    { head, received }: HttpResponse,
  ): ClientConnection<Data> {
    const { subprotocols, connection, connectTimeoutMs, callbacks, data, onError } = this.#settings;
    const { protocol, extensions, accepted } = validateUpgradeResponse(head, {
      accept,
      subprotocols,
      extensions: this.#settings.offer === undefined ? [] : [PERMESSAGE_DEFLATE],
      optionalSubprotocol: this.#settings.resume && RESUME,
    });
    const isOurs = this.#settings.resume !== undefined && protocol === RESUME;
    const resumed = isOurs ? parseResumeField(head, subprotocols) : undefined;
    const past = resumed === undefined
      ? undefined
      : new ClientLayer(this.#settings.resume!, connection.limits.maxMessageSize);
    const info = {
      request: new RetainedRequest(request, address.secure),
      protocol: resumed ?? (isOurs ? "" : protocol),
      extensions,
      layer: past ?? createLayer(connection.layers, protocol, "client"),
      layerTimeoutMs: connectTimeoutMs,
      compression: this.#openCompression(head, accepted),
      data,
    };
    return openConnection({
      role: "client",
      channel,
      info,
      settings: connection,
      callbacks,
      owner: {
        reportError: (error, conn) => reportError(onError, error, conn as ClientConnection<Data>),
        removeConnection() {},
      },
      received,
      hasEnded: false,
      createConnection: (core) => new ClientWebSocketConnection<Data>(core, past),
      start: "later",
    });
  }

  #openCompression(
    head: ResponseHead,
    accepted: readonly ExtensionOffer[],
  ): ConnectionCompression | undefined {
    if (accepted.length === 0) return undefined;
    if (accepted.length > 1) throw responseError(head, `${PERMESSAGE_DEFLATE} more than once`);
    try {
      return this.#settings.offer!.open(accepted[0]!);
    } catch (error) {
      throw error instanceof WebSocketError ? responseError(head, error.message) : error;
    }
  }

  /** Gives the address that the response redirects to; `undefined` if it is no redirect to be followed. */
  #redirect(
    head: ResponseHead,
    address: WebSocketAddress,
    redirects: number,
  ): WebSocketAddress | undefined {
    const [location, ...more] = head.getAll("Location");
    const isFollowed = REDIRECTS.includes(head.status) && redirects < this.#settings.maxRedirects;
    if (!isFollowed || location === undefined) return undefined;
    if (more.length > 0) throw responseError(head, "more than one Location header");
    let next;
    try {
      next = parseWebSocketUrl(location, address.url);
    } catch (error) {
      const { message } = error as Error;
      throw responseError(head, `it redirects to a URL that is not a WebSocket's: ${message}`);
    }
    if (address.secure && !next.secure) throw responseError(head, "it redirects from wss: to ws:");
    return next;
  }

  /** Creates the error for a final response. Throws the reason of the program's signal, if that has aborted. */
  async #refusal(exchange: HttpExchange, response: HttpResponse, url: string): Promise<Error> {
    const { clock } = this.#settings.connection;
    const { head } = response;
    const controller = new AbortController();
    const stop = () => controller.abort();
    const timer = clock.setTimeout(stop, BODY_TIMEOUT_MS);
    this.#settings.ended.addEventListener("abort", stop, { once: true });
    const body = await exchange.receiveBody(response, controller.signal);
    clock.clearTimeout(timer);
    this.#settings.ended.removeEventListener("abort", stop);
    // Not after `connectTimeoutMs`: the refusal says more than the error of the timeout.
    this.#settings.signal?.throwIfAborted();
    const hint = head.status < 300 ? ", which opens no WebSocket" : "";
    const status = `${head.status} ${head.reason}`.trim();
    return new UnexpectedResponseError(
      `Cannot connect to ${url}: the response was ${status}${hint}`,
      head.status,
      head.toHeaders(),
      body,
    );
  }
}

/** Gives the program's own subprotocol; `undefined` if the server merely selected the last one offered. */
function parseResumeField(head: ResponseHead, offered: readonly string[]): string | undefined {
  const values = head.getAll(RESUME_FIELD);
  if (values.length === 0) {
    if (offered.length === 0) return undefined;
    throw responseError(head, `none of the subprotocols ${offered.join(", ")} was selected`);
  }
  const [, protocol] = /^"([^"]*)"$/.exec(values.join(", ")) ?? [];
  if (protocol === undefined) {
    throw responseError(head, `the field ${RESUME_FIELD} names no subprotocol`);
  }
  if (offered.length === 0 ? protocol === "" : offered.includes(protocol)) return protocol;
  throw responseError(head, `the subprotocol ${JSON.stringify(protocol)} was not offered`);
}

function isSameOrigin(a: WebSocketAddress, b: WebSocketAddress): boolean {
  return a.secure === b.secure && a.host === b.host;
}

/** Adds the proxy's address to an error that occurred before the tunnel was open. */
function toTunnelError(
  error: unknown,
  { url }: WebSocketAddress,
  hostname: string,
  port: number,
): unknown {
  const proxy = `the proxy at ${withBrackets(hostname)}:${port}`;
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

function withBrackets(hostname: string): string {
  return hostname.includes(":") ? `[${hostname}]` : hostname;
}

function lostError({ shown }: WebSocketAddress): ConnectError {
  return new ConnectError("ECONNRESET", `Cannot connect to ${shown}: the connection was lost`);
}
