/**
 * What a connection comes to only by some calls of its program: streams, iteration, `ping`. Loaded before a
 * connection is opened, as these calls do not wait for it, but apart from what every connection runs.
 *
 * @module
 */

import "../codec/mask_simd.ts";
import "./common.ts";
export { abortable } from "../abortable.ts";
export { toRequest } from "../http1/request.ts";
export { checkSendOptions, ping, resolveCloseStatus, statsOf } from "./calls.ts";
export { closeStatusOf } from "./give_up.ts";
export { Pings } from "./pings.ts";
export { ReceiveQueue } from "./receive_queue.ts";
export { sendStream } from "./send_stream.ts";
export { ConnectionViews } from "./views/connection_views.ts";
