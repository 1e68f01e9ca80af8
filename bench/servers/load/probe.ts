/**
 * Makes sure of a server before it is measured, so that one that is wrong doesn't pass for fast.
 *
 * @module
 */

import { createPayload } from "./client_frame.ts";
import { LoadConnection, type Target } from "./connection.ts";
import { ReplyReader } from "./reply_reader.ts";
import type { LoadTask } from "./result.ts";

/** Sends a message, and compares what comes back, octet by octet. */
export async function probe({ workload, raw }: LoadTask, target: Target): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const payload = createPayload(workload.payload, workload.size);
  const opcode = target.frames[0] & 0xf;
  // The raw server doesn't unmask, so that what comes back is what it was sent.
  const wanted = raw
    ? target.frames.subarray(target.frameSize - payload.length, target.frameSize)
    : payload;
  let offset = 0;
  const createReader = () =>
    new ReplyReader({ opcode, size: payload.length, masked: raw }, (bytes) => {
      for (let i = 0; i < bytes.length; i++) {
        if (bytes[i] !== wanted[offset + i]) {
          throw new Error(`another payload comes back: octet ${offset + i} differs`);
        }
      }
      offset += bytes.length;
    });
  const connection = await LoadConnection.open({ ...target, createReader });
  connection.receiveReplies = () => resolve();
  connection.receiveError = reject;
  connection.send(1);
  await promise;
  connection.abort();
}
