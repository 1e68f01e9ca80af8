import { upgradeRequired } from "../../handshake/parse_upgrade.ts";
import { parseContentLength } from "../../http1/content_length.ts";
import { toRequest } from "../../http1/request.ts";
import { requestError } from "../../http1/request_error.ts";
import type { RequestHead } from "../../http1/request_head.ts";
import { parseHost } from "../../http1/request_target.ts";
import { checkResponse } from "./hook_results.ts";
import { RequestBody } from "./request_body.ts";
import type { ServedRequest } from "./served_request.ts";

/** Serves a plain HTTP request by the `fetch` hook. Throws what refuses it, or what the hook throws. */
export async function servePlainRequest<Data>(
  served: ServedRequest<Data>,
  head: RequestHead,
): Promise<void> {
  const { handshake } = served;
  const { isSecure: secure, settings: { fetch } } = handshake;
  // Malformed requests are refused as such even if no others would be served.
  const length = parseContentLength(head) ?? 0;
  if (fetch === undefined) {
    parseHost(head, secure);
    throw upgradeRequired();
  }
  let request = toRequest(head, { secure });
  if (length > 0) request = await addBody(served, request, head, length);
  if (handshake.isOver) return;
  const response: unknown = await fetch(request, served.createInfo([]));
  checkResponse(response);
  await served.respond(response, request.method === "HEAD");
}

/** Not within `servePlainRequest`, which would retain the bytes beside the copy of the `Request`. */
async function addBody<Data>(
  served: ServedRequest<Data>,
  request: Request,
  head: RequestHead,
  length: number,
): Promise<Request> {
  const { maxRequestBodySize } = served.handshake.settings;
  if (length > maxRequestBodySize) {
    const reason = `its body has ${length} bytes, at most ${maxRequestBodySize} are allowed`;
    throw requestError(413, reason);
  }
  if (head.method === "GET" || head.method === "HEAD") {
    throw requestError(400, `a ${head.method} request has no body`);
  }
  if (head.get("Expect")?.toLowerCase() === "100-continue") await served.sendContinue();
  return new Request(request, { body: await served.receiveBody(new RequestBody(length)) });
}
