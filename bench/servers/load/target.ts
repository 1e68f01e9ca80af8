import { encodeRequest, type Target } from "./connection.ts";
import { createMessages, opcodeOf } from "./messages.ts";
import { ReplyReader } from "./reply_reader.ts";
import type { LoadTask } from "./result.ts";

/** Tells where the connections of a workload go, what they send, and what they expect. */
export function createTarget(
  { workload, port, raw, offer }: Pick<LoadTask, "workload" | "port" | "raw" | "offer">,
): Target {
  const { size, compression } = workload;
  const expected = {
    opcode: opcodeOf(workload),
    size,
    masked: raw,
    compressed: compression !== undefined,
  };
  return {
    port,
    raw,
    offer,
    request: encodeRequest(offer),
    messages: createMessages(workload),
    createReader: (takePayload) => new ReplyReader(expected, takePayload),
  };
}
