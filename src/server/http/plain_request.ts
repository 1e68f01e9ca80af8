import { upgradeRequired } from "../../handshake/parse_upgrade.ts";
import { parseContentLength } from "../../http1/content_length.ts";
import { toRequest } from "../../http1/request.ts";
import { requestError } from "../../http1/request_error.ts";
import type { RequestHead } from "../../http1/request_head.ts";
import { parseHost } from "../../http1/request_target.ts";
import type { AcceptSettings } from "../settings.ts";
import type { RequestInfo } from "../options.ts";
import { checkResponse } from "./hook_results.ts";
import { RequestBody } from "./request_body.ts";

/** The handshake that turned out to be a plain HTTP request. */
export interface PlainHandshake {
  readonly settings: Pick<AcceptSettings<never, never>, "fetch" | "maxRequestBodySize">;
  readonly isSecure: boolean;
  /** Whether the channel is gone, or the response under way. */
  readonly isOver: boolean;
  createInfo(subprotocols: readonly string[]): RequestInfo;
  /** Asks the client for the body, unless it sends it anyway. */
  sendContinue(): Promise<void>;
  /** Receives the body; resolves when all of it is there. */
  receiveBody(body: RequestBody): Promise<Uint8Array<ArrayBuffer>>;
  /** Sends the response. */
  respond(response: Response, isHead: boolean): Promise<void>;
}

/**
 * Serves a plain HTTP request by the `fetch` hook.
 *
 * @throws {HandshakeError} If the request is refused.
 * @throws What the hook throws.
 */
export async function servePlainRequest(
  handshake: PlainHandshake,
  head: RequestHead,
): Promise<void> {
  const { isSecure: secure, settings: { fetch } } = handshake;
  // Malformed requests are refused as such even if no others would be served.
  const length = parseContentLength(head) ?? 0;
  if (fetch === undefined) {
    parseHost(head, secure);
    throw upgradeRequired();
  }
  let request = toRequest(head, { secure });
  if (length > 0) request = await addBody(handshake, request, head, length);
  if (handshake.isOver) return;
  const response: unknown = await fetch(request, handshake.createInfo([]));
  checkResponse(response);
  await handshake.respond(response, request.method === "HEAD");
}

/** Not within `servePlainRequest`, which would retain the bytes beside the copy of the `Request`. */
async function addBody(
  handshake: PlainHandshake,
  request: Request,
  head: RequestHead,
  length: number,
): Promise<Request> {
  const { maxRequestBodySize } = handshake.settings;
  if (length > maxRequestBodySize) {
    const reason = `its body has ${length} bytes, at most ${maxRequestBodySize} are allowed`;
    throw requestError(413, reason);
  }
  if (head.method === "GET" || head.method === "HEAD") {
    throw requestError(400, `a ${head.method} request has no body`);
  }
  if (head.get("Expect")?.toLowerCase() === "100-continue") await handshake.sendContinue();
  return new Request(request, { body: await handshake.receiveBody(new RequestBody(length)) });
}
