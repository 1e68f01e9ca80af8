import "../common.ts";
/** The ways to receive other than by callbacks. Loaded if a program has no callbacks. */

export { StreamedMessage } from "../streamed_message.ts";
export { MessageBody } from "./message_body.ts";
export { iterateMessages, iterateStreams } from "./message_iterators.ts";
export { createReadable } from "./message_readable.ts";
export { WebSocketView } from "./web_socket_view.ts";
