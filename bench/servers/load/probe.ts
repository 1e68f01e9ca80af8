/**
 * Makes sure of a server before it is measured, so that one that is wrong doesn't pass for fast.
 *
 * @module
 */

import { LoadConnection, type Target } from "./connection.ts";
import { ReplyInflater } from "./reply_inflater.ts";
import type { LoadTask } from "./result.ts";

/** How many messages it takes until windows matter, and one of them. */
const COMPRESSED_COUNT = 4;

/** Sends a message, or a few, and compares what comes back, octet by octet. */
export async function probe({ workload, raw }: LoadTask, target: Target): Promise<void> {
  const { compression, size } = workload;
  const pieces: Uint8Array[] = [];
  const createReader = () => target.createReader((bytes) => pieces.push(bytes.slice()));
  const connection = await LoadConnection.open({ ...target, createReader });
  const inflater = compression && new ReplyInflater(compression);
  const count = compression === undefined ? 1 : COMPRESSED_COUNT;
  for (let i = 0; i < count; i++) {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    connection.receiveReplies = () => resolve();
    connection.receiveError = reject;
    connection.send(1);
    await promise;
    const { payloads, frameSizes, frames } = target.messages;
    const reply = Buffer.concat(pieces.splice(0));
    // The raw server doesn't unmask, so that what comes back is what it was sent.
    const wanted = raw ? frames.subarray(frameSizes[0] - size, frameSizes[0]) : payloads[i];
    compare(inflater?.inflate(reply) ?? reply, wanted);
  }
  connection.abort();
}

function compare(reply: Uint8Array, wanted: Uint8Array): void {
  if (reply.length !== wanted.length) {
    throw new Error(`another payload comes back: ${reply.length} bytes, not ${wanted.length}`);
  }
  const differing = reply.findIndex((octet, i) => octet !== wanted[i]);
  if (differing >= 0) throw new Error(`another payload comes back: octet ${differing} differs`);
}
