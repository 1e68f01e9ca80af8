/**
 * What the tests of servers run over: an in-memory listener with a clock moved by hand, and real sockets
 * of the runtime. One behaviour, two transports.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { serve } from "../../mod.ts";
import type {
  ConnectionHost,
  Handler,
  ServeOptions,
  Server,
  ServerCallbacks,
  ServerConnection,
} from "../../src/server/mod.ts";
import { WebSocketServer } from "../../src/server/server.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import type { MemoryChannel, MemorySocket } from "./memory_channel.ts";
import { MemoryListener } from "./memory_listener.ts";
import { NetSocket } from "./net_socket.ts";
import { RawClient, type RawResponse } from "./raw_client.ts";
import type { RawSocket } from "./raw_socket.ts";
import { ACCEPT, type RequestInit, upgradeRequest } from "./requests.ts";
import { settle } from "./turn.ts";
import { watch } from "./watch.ts";

/** The options of a server and, unless there are callbacks, its handler. */
export type Setup<Data> = ServeOptions<Data> & ServerCallbacks<Data> & {
  /** Handles a connection. By default, it waits for its end, and the test does the rest. */
  handler?: Handler<Data>;
};

/** A server that runs, and ways to reach it. */
export abstract class Harness<
  Data = unknown,
  Socket extends RawSocket = RawSocket,
  Host extends ConnectionHost<Data> = Server<Data>,
> {
  readonly server: Host;
  readonly #clients: RawClient<Socket>[] = [];
  readonly #errors: unknown[];

  constructor(server: Host, errors: unknown[]) {
    this.server = server;
    this.#errors = errors;
  }

  protected abstract connectSocket(): Promise<Socket>;
  /** Checks that nothing is left when everything has ended. */
  protected abstract checkLeaks(): void;

  /** Connects, and sends nothing. */
  async connect(): Promise<RawClient<Socket>> {
    const client = new RawClient(await this.connectSocket());
    this.#clients.push(client);
    return client;
  }

  /** Connects, and sends a request and what is to follow it at once. */
  async request(...parts: (string | Uint8Array)[]): Promise<RawClient<Socket>> {
    const client = await this.connect();
    client.send(...parts);
    return client;
  }

  /** Sends a request, and reads the response, which the end follows. */
  async fetch(...parts: (string | Uint8Array)[]): Promise<RawResponse> {
    return await (await this.request(...parts)).readResponse();
  }

  /** Opens a WebSocket. */
  async open(init?: RequestInit, ...early: Uint8Array[]): Promise<RawClient<Socket>> {
    const client = await this.request(upgradeRequest(init), ...early);
    const { status, headers } = await client.readHead();
    assertEquals([status, headers.get("sec-websocket-accept")], [101, ACCEPT]);
    return client;
  }

  /** Opens a WebSocket, and gives both ends. */
  async openPair(
    init?: RequestInit,
    ...early: Uint8Array[]
  ): Promise<{ client: RawClient<Socket>; conn: ServerConnection<Data> }> {
    const before = new Set(this.server.connections);
    const client = await this.open(init, ...early);
    const conn = [...this.server.connections].find((conn) => !before.has(conn));
    assert(conn !== undefined, "the connection is gone already");
    return { client, conn };
  }

  /** Gives what was reported to `onError`. A test that does not ask must not have any. */
  takeErrors(): unknown[] {
    return this.#errors.splice(0);
  }

  /** Drops what connections there still are. */
  resetClients(): void {
    for (const client of this.#clients) if (!client.isClosed) client.socket.reset();
  }

  /** Ends everything that the test left open, and checks that nothing is left. */
  async finish(): Promise<void> {
    this.resetClients();
    const { state } = await watch(this.server.shutdown()).untilSettled();
    assertEquals(state, "resolved");
    // For rejections that nobody handles, and that are seen only now.
    await settle();
    assertEquals(this.server.connections.size, 0);
    assertEquals(this.takeErrors(), [], "errors were reported");
    this.checkLeaks();
  }
}

/** A server in memory. */
export class MemoryHarness<Data> extends Harness<Data, MemorySocket, WebSocketServer<Data>> {
  readonly listener: MemoryListener;
  readonly clock: FakeClock;

  constructor(
    server: WebSocketServer<Data>,
    errors: unknown[],
    listener: MemoryListener,
    clock: FakeClock,
  ) {
    super(server, errors);
    this.listener = listener;
    this.clock = clock;
  }

  /** The server's end of a client's connection. */
  channelOf(client: RawClient<MemorySocket>): MemoryChannel {
    return client.socket.channel;
  }

  protected override connectSocket(): Promise<MemorySocket> {
    return Promise.resolve(this.listener.connect().socket);
  }

  protected override checkLeaks(): void {
    assertEquals(this.clock.pending, [], "timers are left");
    assertEquals(this.server.budget?.held ?? 0, 0, "bytes are counted that nobody holds");
    assertEquals(this.listener.channels.flatMap(({ violations }) => violations), []);
    assertEquals(this.listener.isListening, false);
  }
}

/** An open connection, from both sides. */
export interface Ends<
  Data = unknown,
  Running = Harness<Data>,
  Socket extends RawSocket = RawSocket,
> {
  server: Running;
  conn: ServerConnection<Data>;
  client: RawClient<Socket>;
}

/** An open connection in memory, seen from everywhere. */
export interface MemoryEnds<Data = unknown> extends Ends<Data, MemoryHarness<Data>, MemorySocket> {
  channel: MemoryChannel;
  clock: FakeClock;
  /** The sizes of the writes since the opening handshake, in bytes. */
  writes(): number[];
}

class NetHarness<Data> extends Harness<Data, NetSocket> {
  protected override connectSocket(): Promise<NetSocket> {
    const { addr } = this.server;
    assert(addr.transport === "tcp");
    return NetSocket.connect(addr.port);
  }

  protected override checkLeaks(): void {
    // A timer or a socket that is left keeps Node from ending.
  }
}

/** Runs a server in memory for as long as `body` takes. */
export async function withMemoryServer<Data = unknown>(
  setup: Setup<Data>,
  body: (harness: MemoryHarness<Data>) => Promise<void>,
  clock: FakeClock = new FakeClock(),
): Promise<void> {
  const errors: unknown[] = [];
  const { options, handler } = split(setup, errors);
  const listener = new MemoryListener();
  const server = await WebSocketServer.listen(listener.listen, options, handler, clock);
  const harness = new MemoryHarness<Data>(server, errors, listener, clock);
  await run<Data, MemoryHarness<Data>>(harness, body);
}

/** Runs a server in memory with one connection for as long as `body` takes. */
export function withConnection<Data = unknown>(
  setup: Setup<Data>,
  body: (ends: MemoryEnds<Data>) => void | Promise<void>,
): Promise<void> {
  return withMemoryServer(setup, async (server) => {
    const { client, conn } = await server.openPair();
    const channel = server.channelOf(client);
    const before = channel.writes.length;
    const writes = () => channel.writes.slice(before);
    await body({ server, conn, client, channel, clock: server.clock, writes });
  });
}

/** Runs a server on a real port for as long as `body` takes. */
async function withNetServer<Data = unknown>(
  setup: Setup<Data>,
  body: (harness: Harness<Data>) => Promise<void>,
): Promise<void> {
  const errors: unknown[] = [];
  const { options, handler } = split({ port: 0, hostname: "127.0.0.1", ...setup }, errors);
  const server = await (handler === undefined ? serve(options) : serve(options, handler));
  await run<Data, Harness<Data>>(new NetHarness<Data>(server, errors), body);
}

/** Runs a server on a real port with one connection for as long as `body` takes. */
function withNetConnection<Data = unknown>(
  setup: Setup<Data>,
  body: (ends: Ends<Data>) => void | Promise<void>,
): Promise<void> {
  return withNetServer(setup, async (server) => {
    await body({ server, ...await server.openPair() });
  });
}

/** A way to run servers. */
export interface Transport {
  name: string;
  withServer<Data = unknown>(
    setup: Setup<Data>,
    body: (harness: Harness<Data>) => Promise<void>,
  ): Promise<void>;
  withConnection<Data = unknown>(
    setup: Setup<Data>,
    body: (ends: Ends<Data>) => void | Promise<void>,
  ): Promise<void>;
}

/** Both ways to run servers. */
export const TRANSPORTS: readonly Transport[] = [
  { name: "memory", withServer: withMemoryServer, withConnection },
  { name: "sockets", withServer: withNetServer, withConnection: withNetConnection },
];

/** Takes a setup apart; what is reported to `onError` goes to `errors` too. */
export function split<Data>(
  { handler, ...given }: Setup<Data>,
  errors: unknown[],
): { options: ServeOptions<Data> & ServerCallbacks<Data>; handler?: Handler<Data> } {
  const onError = (error: unknown, conn?: ServerConnection<Data>) => {
    errors.push(error);
    return given.onError?.(error, conn);
  };
  const options = { ...given, onError };
  const { open, message, ping, drain, close } = options;
  if (open ?? message ?? ping ?? drain ?? close) return { options };
  return { options, handler: handler ?? ((conn) => conn.closed) };
}

/** Runs `body`, and checks that nothing is left. */
export async function run<Data, H extends Harness<Data, RawSocket, ConnectionHost<Data>>>(
  harness: H,
  body: (harness: H) => Promise<void>,
): Promise<void> {
  try {
    await body(harness);
  } catch (error) {
    // What else is wrong is no wonder, where the test failed in the middle.
    harness.resetClients();
    void harness.server.shutdown();
    throw error;
  }
  await harness.finish();
}
