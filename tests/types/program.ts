/**
 * What programs may write, and what they may not: only to be type checked, never run. Every
 * TypeScript and every version of the types of Node that is supported checks it (`types_test.ts`).
 *
 * @module
 */

import {
  accept,
  type AcceptStreamOptions,
  type CompressionOptions,
  type Connection,
  type ConnectionCallbacks,
  type Handler,
  type IncomingMessage,
  type Message,
  type PresenceEntry,
  type PresenceOptions,
  type PublishOptions,
  type Sendable,
  type SendOptions,
  serve,
  type ServeOptions,
  type Server,
  type ServerCallbacks,
  type ServerConnection,
  type ShutdownOptions,
  type SubscribeOptions,
  type UpgradeAcceptance,
  type UpgradeResult,
  type WaitOptions,
} from "@sluice/websocket";
import { connect, type ReconnectOptions, type TlsClientOptions } from "@sluice/websocket/client";
import {
  type Frame,
  FrameDecoderStream,
  type FrameDecoderStreamOptions,
  type FrameEncoderOptions,
} from "@sluice/websocket/codec";
import type { ProtocolOptions } from "@sluice/websocket/protocol";
import {
  connectedPair,
  MemoryNetwork,
  type MemoryNetworkOptions,
  type PairOptions,
  receiveMessage,
} from "@sluice/websocket/testing";

type Bytes = Uint8Array<ArrayBuffer>;

/** Whether two types are the same one: `any` is none but `any`. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true
  : false;

/** Says that the types of a value and `Expected` are the same. */
declare function is<Expected>(): <Actual>(
  value: Actual,
  ...not: Same<Actual, Expected> extends true ? [] : [never]
) => void;

declare function findUser(request: Request): string | undefined;

/** A callback may return anything, and mention what `serve` gives. */
export async function callbacks(): Promise<void> {
  const server = await serve({
    open: (conn) => conn.subscribe("news"),
    message: (_, data) => server.publish("news", data),
    ping: (conn) => conn.trySend(""),
    drain: (conn) => conn.bufferedAmount,
    close: async () => await Promise.resolve(1),
    onError: (error) => error,
    onEvent: (event) => event.type,
  });
  is<Server<undefined>>()(server);
  is<number>()(server.port);
  is<string>()(server.url);
  const stated: Server = await serve({
    message: (_, data) => stated.publish("news", data),
    close: () => stated.publish("news", "bye"),
    fetch: () => new Response(`${stated.connections.size} are online`),
  });
  const handled = await serve({}, (conn) => handled.publish("news", conn.protocol));
  const waited = await serve({ port: 0 }, async (conn) => {
    await conn.send("");
    return waited.connections;
  });
  // A hook whose answer counts says what it returns.
  const asked = await serve({
    fetch: (): Response => new Response(`${asked.connections.size} are online`),
    message: (conn, data) => conn.send(data),
  });

  const conn: Connection = await connect(server.url, {
    message: (_, data) => conn.send(data),
    onError: () => conn.abort(),
  });

  const network = new MemoryNetwork({ onLink: (link) => link.stall() });
  const inMemory = await network.serve({ message: (_, data) => inMemory.publish("", data) });
}

/** Connections of a server have topics, and those of a client and of `accept` don't. */
export async function topics(accepted: Connection): Promise<void> {
  const subscribe = (conn: ServerConnection) => void conn.subscribe("news", { lag: "latest" });
  const callbacks: ServerCallbacks<number> = { open: (conn) => is<number>()(conn.data) };
  const shared: ConnectionCallbacks<number> = { message: (conn, data) => conn.send(data) };
  const server = await serve({
    ...callbacks,
    ...shared,
    open: subscribe,
    drain: (conn) => conn.unsubscribe("news"),
    close: (conn) => conn.topics.size,
    onError: (_, conn) => conn?.topics,
    onEvent: (event) => event.type === "open" && event.conn.subscribe("news"),
  });
  for (const conn of server.connections) server.publish("news", "", { except: conn });
  const handler: Handler = (conn) => void conn.subscribe("news");
  await serve({}, handler);
  await serve({}, (conn: Connection) => conn.closed);
  const pair = await connectedPair();
  subscribe(pair.server);
  // @ts-expect-error: a client has no topics
  pair.client.subscribe("news");
  // @ts-expect-error: nor has what `accept` gives
  accepted.unsubscribe("news");
  // @ts-expect-error: so that is no connection of a server
  subscribe(accepted);
}

/** Where hooks whose answer counts mention what `serve` gives (TS7022), and how it is written instead. */
export async function mentioned(): Promise<void> {
  const news = (server: Server<unknown>) => String(server.connections.size);
  const annotated = await serve({
    fetch: (): Response => new Response(news(annotated)),
    upgrade: (): Response | { data: number } =>
      annotated.connections.size > 9 ? new Response(null, { status: 503 }) : { data: 1 },
    origin: (): boolean => annotated.connections.size < 9,
    presence: { notice: (): string => news(annotated) },
    resume: { topics: (): boolean => annotated.connections.size < 9 },
    open: (conn) => is<number>()(conn.data),
    message: (conn, data) => annotated.publish(String(conn.data), data),
    close: () => annotated.stats(),
  });
  is<Server<number>>()(annotated);
  const typed: Server<number> = await serve({
    fetch: async () => await Promise.resolve(new Response(news(typed))),
    upgrade: () => typed.connections.size > 9 ? new Response() : { data: 1 },
    origin: () => typed.connections.size < 9,
    presence: { notice: () => news(typed) },
    resume: { topics: () => typed.connections.size < 9 },
    message: (conn, data) => typed.publish(conn.data.toFixed(), data),
  });

  // If one of these is no error any more, docs/first-server.md need not warn of it.
  // @ts-expect-error: TS7022.
  const fetching = await serve({
    // @ts-expect-error: TS7023.
    fetch: () => new Response(news(fetching)),
    open() {},
  });
  // @ts-expect-error: TS7022.
  const upgrading = await serve({
    // @ts-expect-error: TS7023.
    upgrade: () => upgrading.connections.size > 9 ? new Response() : {},
    open() {},
  });
  // @ts-expect-error: TS7022.
  const checking = await serve({
    // @ts-expect-error: TS7023.
    origin: () => checking.connections.size < 9,
    open() {},
  });
  // @ts-expect-error: TS7022.
  const noticing = await serve({
    // @ts-expect-error: TS7023.
    presence: { notice: () => news(noticing) },
    open() {},
  });
  // @ts-expect-error: TS7022.
  const resuming = await serve({
    // @ts-expect-error: TS7023.
    resume: { topics: () => resuming.connections.size < 9 },
    open() {},
  });
}

export async function received(conn: Connection): Promise<void> {
  for await (const message of conn) is<string | Bytes>()(message);
  const next = await conn[Symbol.asyncIterator]().next();
  is<string | Bytes | undefined>()(next.value);
  const { done, value } = await conn.messages().next();
  is<IncomingMessage | undefined>()(value);
  if (!done) is<IncomingMessage>()(value);
  for await (const { body, bytes, text } of conn.messages()) {
    is<ReadableStream<Bytes>>()(body);
    is<Promise<Bytes>>()(bytes());
    is<Promise<string>>()(text());
  }
  for await (const chunk of conn.readable) is<Message>()(chunk);
  is<string | Bytes>()(await receiveMessage(conn));
  await serve({
    message: (_, data) => is<string | Bytes>()(data),
    ping: (_, payload) => is<Bytes>()(payload),
  });
  await serve({
    message: async (conn, data) => {
      if (typeof data === "string") return;
      await conn.send(new Uint8Array(await crypto.subtle.digest("SHA-256", data)));
    },
  });
  const streamed = await conn.messages().next();
  await new Response(streamed.value?.body).text();
  const frames = new ReadableStream<Uint8Array>().pipeThrough(new FrameDecoderStream("client"));
  for await (const frame of frames) is<Bytes>()(frame.payload);
}

export async function sent(
  conn: Connection,
  bytes: Uint8Array,
  message: Message,
): Promise<unknown> {
  const shared = new Uint8Array(new SharedArrayBuffer(1));
  for (const data of ["text", bytes, message, shared, new Uint8Array(1)]) await conn.send(data);
  conn.trySend(bytes);
  await conn.sendStream("binary", new ReadableStream<Uint8Array>());
  await conn.sendStream("text", new ReadableStream({ pull: (to) => to.enqueue("chunk") }));
  await conn.sendStream("binary", new Blob([message]).stream());
  await conn.sendStream("binary", new Response(message).body!);
  await conn.readable.pipeTo(conn.writable);
  const sendable: Sendable = message;
  const frame: Frame = { fin: true, rsv1: false, opcode: 1, payload: bytes };
  // @ts-expect-error: It is neither.
  await conn.send(new ArrayBuffer(1));
  return [sendable, frame];
}

/** What becomes of what the `upgrade` hook returns. */
export async function accepted(): Promise<void> {
  await serve({ open: (conn) => is<undefined>()(conn.data) });
  await serve({ upgrade: () => ({}), open: (conn) => is<undefined>()(conn.data) });
  await serve({ upgrade: () => ({ protocol: "a" }), open: (conn) => is<undefined>()(conn.data) });
  await serve({ upgrade: () => ({ data: 1 }), open: (conn) => is<number>()(conn.data) });
  await serve(
    { upgrade: (request) => ({ data: findUser(request) }) },
    (conn) => is<string | undefined>()(conn.data),
  );
  await serve({
    upgrade: (request) => findUser(request) ? {} : new Response("no", { status: 401 }),
    open: (conn) => is<undefined>()(conn.data),
  });
  const server = await serve({
    upgrade(request) {
      const user = findUser(request);
      if (user === "") return new Response("no", { status: 401 });
      if (user === undefined) return { data: { kind: "guest" as const } };
      return {
        data: { kind: "user" as const, user },
        protocol: "chat",
        headers: { "X-User": user },
      };
    },
    message(conn) {
      is<"guest" | "user">()(conn.data.kind);
      if (conn.data.kind === "user") is<string>()(conn.data.user);
    },
  });
  for (const conn of server.connections) is<"guest" | "user">()(conn.data.kind);
  await serve({
    async upgrade(request) {
      const user = await Promise.resolve(findUser(request));
      return user === undefined ? {} : { data: user };
    },
  }, (conn) => is<string | undefined>()(conn.data));
  await accept({ readable: new ReadableStream(), writable: new WritableStream() }, {
    upgrade: (request) => findUser(request) === "" ? { data: "a" } : { data: 1 },
    open: (conn) => is<string | number>()(conn.data),
  });
  const pair = await connectedPair({
    server: { upgrade: (request) => findUser(request) === "" ? { data: "a" } : { data: 1 } },
  });
  is<string | number>()(pair.server.data);
}

/** What a program states itself. */
export async function stated<Data>(
  options: ServeOptions<Data> & ConnectionCallbacks<Data>,
  handler: Handler<Data>,
): Promise<void> {
  is<Server<Data>>()(await serve(options));
  is<Server<Data>>()(await serve(options, handler));
  is<Server<Data>>()(await serve<Data>(options));
  await serve<string>({ open: (conn) => is<string>()(conn.data) });
  await serve<string>({ upgrade: () => ({ data: "a" }) }, (conn) => is<string>()(conn.data));
  await serve({
    upgrade: (): UpgradeResult<string> => ({ data: "a" }),
    open: (conn) => is<string>()(conn.data),
  });
  await serve({
    upgrade: (): Promise<UpgradeAcceptance<string> | Response> => Promise.resolve({ data: "a" }),
    open: (conn) => is<string>()(conn.data),
  });
  // @ts-expect-error: It is another type.
  await serve<string>({ upgrade: () => ({ data: 1 }), open() {} });
}

/** What is no answer of the `upgrade` hook. */
export function refused(): unknown {
  return [
    () =>
      serve({
        // @ts-expect-error: Not every way returns something.
        upgrade(request) {
          const user = findUser(request);
          if (user) return { data: user };
        },
        open() {},
      }),
    () =>
      serve({
        // @ts-expect-error: Not every way returns something.
        async upgrade(request) {
          const user = await Promise.resolve(findUser(request));
          if (user === "") return { data: { guest: true } };
          if (user) return { data: user };
        },
        open() {},
      }),
    // @ts-expect-error: It returns nothing.
    () => serve({ upgrade() {}, open() {} }),
    // @ts-expect-error: It returns nothing.
    () => serve({ async upgrade() {}, open() {} }),
    // @ts-expect-error: It returns nothing.
    () => serve({ upgrade: (request) => void findUser(request), open() {} }),
    // @ts-expect-error: It returns nothing.
    () => serve({ upgrade: () => {} }, () => {}),
    // @ts-expect-error: There is no such key.
    () => serve({ upgrade: () => ({ status: 401 }), open() {} }),
    // @ts-expect-error: There is no such key.
    () => serve({ upgrade: () => ({ data: 1, protocl: "chat" }), open() {} }),
    // @ts-expect-error: A subprotocol is a string.
    () => serve({ upgrade: () => ({ data: 1, protocol: 1 }), open() {} }),
    // @ts-expect-error: It is no answer.
    () => serve({ upgrade: () => true, open() {} }),
    // @ts-expect-error: It is no answer.
    () => serve({ upgrade: () => null, open() {} }),
    // @ts-expect-error: It is no answer.
    () => serve({ upgrade: () => Promise.resolve("user"), open() {} }),
    // @ts-expect-error: There is no such option.
    () => serve({ prot: 80, open() {} }),
    // @ts-expect-error: A response is needed.
    () => serve({ fetch: () => "text", open() {} }),
  ];
}

type Optional<T> = { [K in keyof T as Record<never, never> extends Pick<T, K> ? K : never]: T[K] };
type Undefined<T> = { [K in keyof Optional<T>]: undefined };

/** Takes the options that do not take `undefined` for what is left out: there are none. */
declare function leavesOut<T>(
  ...refused: Undefined<T> extends { [K in keyof Optional<T>]?: T[K] } ? [] : [never]
): void;

/** What is `undefined` counts as left out, also with `exactOptionalPropertyTypes`. */
export function leftOut(): void {
  leavesOut<ServeOptions>();
  leavesOut<ConnectionCallbacks>();
  leavesOut<Exclude<ServeOptions["limits"], undefined>>();
  leavesOut<Exclude<ServeOptions["rateLimits"], undefined>>();
  leavesOut<Exclude<ServeOptions["keepAlive"], undefined | false>>();
  leavesOut<Exclude<ServeOptions["memoryBudget"], undefined | false>>();
  leavesOut<Exclude<ServeOptions["resume"], undefined | boolean>>();
  leavesOut<CompressionOptions>();
  leavesOut<PresenceOptions>();
  leavesOut<PresenceEntry>();
  leavesOut<AcceptStreamOptions>();
  leavesOut<PublishOptions>();
  leavesOut<ShutdownOptions>();
  leavesOut<SendOptions>();
  leavesOut<WaitOptions>();
  leavesOut<SubscribeOptions>();
  leavesOut<Omit<UpgradeAcceptance<string>, "data">>();
  leavesOut<Exclude<Parameters<Connection["close"]>[0], undefined>>();
  leavesOut<Omit<ReconnectOptions<string>, "data">>();
  leavesOut<TlsClientOptions>();
  leavesOut<FrameDecoderStreamOptions>();
  leavesOut<FrameEncoderOptions>();
  leavesOut<ProtocolOptions>();
  leavesOut<PairOptions>();
  leavesOut<MemoryNetworkOptions>();
}
