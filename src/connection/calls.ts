import { checkBoolean, checkOptions, checkSignal, type Names, type Optional } from "../checks.ts";
import { CloseCode } from "../codec/close_code.ts";
import { abortable } from "../abortable.ts";
import { rejected } from "../promises.ts";
import { checkCloseStatus, type CloseStatus } from "../protocol/close_payload.ts";
import type { ConnectionStats, SendOptions, WaitOptions } from "./connection.ts";
import type { ConnectionCore } from "./core.ts";

const WAIT_OPTIONS: Names<WaitOptions> = { signal: true };
const SEND_OPTIONS: Names<SendOptions> = { signal: true, compress: true };
const CLOSE_OPTIONS: Names<CloseStatus> = { closeCode: true, reason: true };

/** @throws {TypeError} If an option of `send` is unknown or of another type. */
export function checkSendOptions(options: SendOptions): void {
  checkOptions("send", options, SEND_OPTIONS);
  checkSignal(options.signal);
  checkBoolean("compress", options.compress);
}

/** See {@linkcode Connection.ping}. */
export function ping(
  { closing, pings }: ConnectionCore,
  options: WaitOptions = {},
): Promise<number> {
  checkOptions("ping", options, WAIT_OPTIONS);
  checkSignal(options.signal);
  if (!closing.accepts) return rejected(closing.reason.closedError());
  if (options.signal?.aborted) return rejected(options.signal.reason);
  return abortable(pings.ping(), options.signal);
}

/** Tells what a connection has done so far; see {@linkcode Connection.stats}. */
export function statsOf({ inbound, memory, outbound, usedPings }: ConnectionCore): ConnectionStats {
  return {
    bytesReceived: inbound.bytesReceived,
    bytesSent: outbound.writer.takenLength,
    messagesReceived: inbound.messagesReceived,
    messagesSent: outbound.messagesSent + (outbound.source?.messagesSent ?? 0),
    receiveQueueLength: inbound.queueLength,
    bufferedAmount: outbound.length,
    heldSize: memory.size,
    roundTripTimeMs: usedPings?.roundTripTimeMs,
  };
}

/** Gives the status to close with; throws as {@linkcode Connection.close} does, also for `others`, behind it. */
export function resolveCloseStatus(
  given: Optional<CloseStatus> | undefined,
  others: readonly unknown[],
): CloseStatus {
  const status = given === undefined ? {} : given;
  checkOptions("close", status, CLOSE_OPTIONS);
  if (others.length > 0) {
    throw new TypeError("Cannot close with two arguments: it is close({ closeCode, reason })");
  }
  const { closeCode = CloseCode.NormalClosure, reason = "" } = status;
  checkCloseStatus({ closeCode, reason });
  return { closeCode, reason };
}
