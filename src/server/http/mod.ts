/**
 * Plain HTTP, refusals and the program's hooks: everything but a WebSocket that is accepted without asking.
 * Loaded while the server listens already.
 *
 * @module
 */

export { cancelBody } from "../../http1/send_response.ts";
export { checkAcceptance, isResponse } from "./hook_results.ts";
export { servePlainRequest } from "./plain_request.ts";
export { RequestSignals } from "./request_signals.ts";
export { Responder } from "./responder.ts";
