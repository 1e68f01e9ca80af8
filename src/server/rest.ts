/**
 * What a server comes to besides messages and handshakes that are accepted without asking: plain HTTP, hooks,
 * refusals, topics, figures, a shortage of memory, the shutdown. Loaded before the server listens, since some of
 * it can't wait, and there may be no file descriptor left when it is due.
 *
 * @module
 */

import "../connection/common.ts";
import "../http1/head_faults.ts";
export { HandshakeEviction, noRoom } from "./handshake_eviction.ts";
export { negotiate } from "./http/negotiate.ts";
export { servePlainRequest } from "./http/plain_request.ts";
export { ServedRequest } from "./http/served_request.ts";
export { MemoryShortage } from "./memory_shortage.ts";
export { checkSubscription, createTopics, listMembers, publish } from "./topic_calls.ts";
export { checkShutdown, onAbort, Shutdown } from "./shutdown.ts";
export { urlOf } from "./server_url.ts";
export { sumUp } from "./stats.ts";
