/**
 * Tools for tests of programs that use Sluice: both ends of a connection in memory, a clock that tests
 * advance by hand, and networks that split, delay, stall and reset. No socket is opened, and no test waits
 * for real time. They run in every test runner of Deno, Bun and Node.
 *
 * @example A handler
 * ```ts
 * import type { Connection } from "@sluice/websocket";
 * import { connectedPair, receiveMessage } from "@sluice/websocket/testing";
 *
 * async function shout(conn: Connection) {
 *   for await (const message of conn) await conn.send(String(message).toUpperCase());
 * }
 *
 * const { client } = await connectedPair({ handler: shout });
 * await client.send("hello");
 * console.log(await receiveMessage(client)); // "HELLO"
 * await client.close();
 * ```
 *
 * @example A keep-alive that detects a lost client
 * ```ts
 * import { connectedPair, FakeClock } from "@sluice/websocket/testing";
 *
 * const clock = new FakeClock();
 * const { server, link } = await connectedPair({
 *   clock,
 *   server: { keepAlive: { intervalMs: 30_000, timeoutMs: 10_000 } },
 * });
 * link.stall(); // as if a cable had been pulled: nothing arrives any more
 * await clock.advance(39_999);
 * console.log(server.state); // "open"
 * await clock.advance(1);
 * console.log((await server.closed).closeCode); // 1006
 * ```
 *
 * @example A connection that is lost in the middle of a message
 * ```ts
 * import { connectedPair, randomSizes } from "@sluice/websocket/testing";
 *
 * const { server, client, link } = await connectedPair();
 * link.toServer.pieceSize = randomSizes(42); // bytes arrive in pieces of any size
 * link.toServer.resetAfter(1000);
 * client.send("x".repeat(5000));
 * for await (const message of server) console.log("never", message);
 * console.log((await server.closed).closeCode); // 1006
 * ```
 *
 * @module
 */

export type { ConnectOptions } from "../client/options.ts";
export type { Connect } from "../client/connect.ts";
export type { Clock } from "../transport/clock.ts";
export { type ConnectedPair, connectedPair, type PairOptions } from "./connected_pair.ts";
export { FakeClock } from "./fake_clock.ts";
export { type Link, randomSizes, type Wire } from "./link.ts";
export { MemoryNetwork, type MemoryNetworkOptions } from "./memory_network.ts";
export { expectSilence, receiveMessage, type SilenceOptions } from "./receive_message.ts";
