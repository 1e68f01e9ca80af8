import { CloseCode } from "../codec/close_code.ts";
import { ConnectionClosedError, ProtocolError, WebSocketError } from "../errors.ts";
import { isError } from "../hooks.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";
import { isObject, isPlainObject } from "../values.ts";

/** Whether a stream was given up without a reason: a `tee()` gives the reasons of both branches. */
export function isReasonless(reason: unknown): boolean {
  return Array.isArray(reason) ? reason.every(isReasonless) : reason === undefined;
}

/**
 * What a connection is to be closed with, if the reason that a stream was given up for says it: a `WebSocketError`
 * with a close code, or what `close()` takes. What that would refuse is 1011.
 */
export function closeStatusOf(reason: unknown): CloseStatus | undefined {
  try {
    if (Array.isArray(reason)) return reason.map(closeStatusOf).find((each) => each !== undefined);
    if (!isObject(reason) || !isWish(reason)) return undefined;
    const { closeCode, reason: text = "" } = reason as Partial<CloseStatus>;
    if (closeCode === undefined) return undefined;
    const status = { closeCode, reason: text };
    checkCloseStatus(status);
    return status;
  } catch {
    // No caller would be told: streams pass over what is thrown here, and a proxy throws when it is asked.
    return { closeCode: CloseCode.InternalError, reason: "" };
  }
}

/** Whether a close code is to be sent: others tell how a connection ended, maybe another one. */
function isWish(reason: object): boolean {
  if (isError(reason, ConnectionClosedError) || isError(reason, ProtocolError)) return false;
  // Browsers, and other copies of this module, have classes of their own.
  return isError(reason, WebSocketError) || isPlainObject(reason) ||
    (reason as Partial<Error>).name === "WebSocketError";
}
