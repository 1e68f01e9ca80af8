/**
 * Message layers: what stands between the protocol and the program, and encodes and decodes messages. Both
 * sides agree to one by a subprotocol.
 *
 * @example Messages that are numbered, so that none can be left out
 * ```ts
 * import { serve } from "@sluice/websocket";
 * import { connect } from "@sluice/websocket/client";
 * import { type LayerDefinition, ProtocolError } from "@sluice/websocket/layer";
 *
 * const numbered: LayerDefinition = {
 *   subprotocol: "example.numbered.v1",
 *   create() {
 *     let sent = 0;
 *     let received = 0;
 *     return {
 *       encode: (data) => `${++sent} ${data}`,
 *       decode(data) {
 *         const [, number, text] = /^(\d+) ([^]*)$/.exec(String(data)) ?? [];
 *         if (Number(number) !== ++received) {
 *           throw new ProtocolError(4000, `Expected message ${received}, got ${number}`);
 *         }
 *         return text;
 *       },
 *     };
 *   },
 * };
 *
 * const server = await serve({
 *   port: 0,
 *   layers: [numbered],
 *   message: (conn, data) => conn.send(`You said ${data}`),
 * });
 * const conn = await connect(server.url, { layers: [numbered] });
 * await conn.send("Hello"); // "1 Hello" on the wire
 * for await (const message of conn) {
 *   console.log(message); // "You said Hello"
 *   break;
 * }
 * await conn.close();
 * await server.shutdown();
 * ```
 *
 * @module
 */

export type { Role } from "../codec/frame.ts";
export { ProtocolError, WebSocketError, type WebSocketErrorOptions } from "../errors.ts";
export type { CloseStatus } from "../protocol/close_payload.ts";
export type { MessageType } from "../protocol/message_receiver.ts";
export type { Message, Sendable } from "./connection.ts";
export type { LayerDefinition, LayerInfo } from "./layer_definition.ts";
export type { LayerConnection, MessageLayer } from "./message_layer.ts";
