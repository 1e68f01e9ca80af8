/**
 * All that a server needs for anything but a WebSocket that is accepted without a hook: plain HTTP,
 * refusals, and the program's hooks. Loaded at the start if there is a hook, otherwise when first needed.
 *
 * @module
 */

export { cancelBody } from "../../http1/send_response.ts";
export { checkAcceptance, isResponse } from "./hook_results.ts";
export { servePlainRequest } from "./plain_request.ts";
export { RequestSignals } from "./request_signals.ts";
export { Responder } from "./responder.ts";
