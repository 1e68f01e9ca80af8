/**
 * What the tests of one connection in memory have in common.
 *
 * @module
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ConnectionClosedError, WebSocketError } from "../../mod.ts";
import { encodeReferenceFrame } from "../support/reference_frames.ts";
import { type MemoryEnds, type Setup, withConnection } from "../support/transports.ts";
import type { Watched } from "../support/watch.ts";

/** Opens a connection whose client reads nothing, with a text of 10 bytes on the wire in flight. */
export function withStalledClient(
  setup: Setup<unknown>,
  body: (ends: MemoryEnds) => Promise<void>,
): Promise<void> {
  return withConnection(setup, async (ends) => {
    ends.client.socket.pause();
    void ends.conn.send("x".repeat(8));
    await Promise.resolve();
    assertEquals([ends.channel.outgoingSize, ends.channel.isBlocked], [10, true]);
    await body(ends);
  });
}

/** A text whose frame takes `size` bytes. */
export function textOfFrameSize(size: number): string {
  for (const header of [2, 4, 10]) {
    if (size < header) continue;
    const payload = new Uint8Array(size - header).fill(0x78);
    const frame = encodeReferenceFrame({ opcode: 1, payload });
    if (frame.length === size) return "x".repeat(payload.length);
  }
  throw new Error(`No frame takes ${size} bytes`);
}

/** Checks that a promise has rejected because the connection ended. */
export function assertRejectedAsClosed(
  { state, reason: error }: Watched<unknown>,
  closeCode: number,
  reason = "",
): void {
  assertEquals(state, "rejected");
  assertIsClosedError(error, closeCode, reason);
}

/** Waits for a promise to settle, and checks that it rejected because the connection ended. */
export async function assertRejectsAsClosed(
  watched: Watched<unknown>,
  closeCode: number,
  reason?: string,
): Promise<void> {
  assertRejectedAsClosed(await watched.untilSettled(), closeCode, reason);
}

/** Checks that an error says how the connection ended. */
export function assertIsClosedError(error: unknown, closeCode: number, reason = ""): void {
  assertInstanceOf(error, ConnectionClosedError);
  assertEquals([error.closeCode, error.reason], [closeCode, reason]);
  assert(error.message.startsWith("The connection is closing or closed"), error.message);
}

/** What is no message, though some APIs send it. */
export const NO_MESSAGES: readonly [name: string, value: unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["a number", 1],
  ["an array", [1, 2]],
  ["an ArrayBuffer", new ArrayBuffer(1)],
  ["a DataView", new DataView(new ArrayBuffer(1))],
  ["a Uint16Array", new Uint16Array(1)],
  ["a Blob", new Blob(["x"])],
  ["a String object", new String("x")],
];

/** What code of a program fails with, and what the connection is closed with: one of each kind. */
export const FAILURES: readonly [name: string, error: unknown, status: [number, string]][] = [
  ["a code", new WebSocketError("m", { closeCode: 4001, reason: "kicked" }), [4001, "kicked"]],
  ["a code that may not be sent", new WebSocketError("m", { closeCode: 1006 }), [1011, ""]],
  ["no code", new Error("secret"), [1011, ""]],
];
