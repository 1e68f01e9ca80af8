/**
 * What the fuzzers of whole servers and of whole clients share: a peer that sends what it likes, as it likes,
 * to a program that does what it likes.
 */

import { assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
import { type Random, toHex } from "../codec/support.ts";
import type { Received } from "../protocol/reference_receiver.ts";
import type { MemorySocket } from "../support/memory_channel.ts";
import type { RawClient } from "../support/raw_client.ts";
import { streamOf } from "../support/stream_of.ts";
import { settle } from "../support/turn.ts";
import type { readOutput } from "./output.ts";
import { check } from "./target.ts";

/** The limits of both. */
export const LIMITS = { maxMessageSize: 300, maxFragments: 6 } as const;

/** What the program's own code fails with. */
export const PROGRAM_ERROR: Error = new Error("The program fails");

const MAX_TURNS = 10_000;

/** Bytes of a peer, and what everything else follows from. */
export interface ConversationInput {
  /** What is sent up to the end of the head. */
  head: string;
  /** What is sent behind it. */
  bytes: Uint8Array;
  isCalm: boolean;
  seed: number;
}

export function showInput({ head, bytes, isCalm }: ConversationInput): string {
  return `${isCalm ? "calm" : "wild"} ${JSON.stringify(head)} ${toHex(bytes.subarray(0, 1000))}`;
}

/** Cuts what is sent. */
export function cut(bytes: Uint8Array, random: Random): Uint8Array[] {
  return random.cut(bytes, bytes.length > 2000 ? 4000 : random.pick([3, 40, 400]));
}

/** Waits for something in turns of the event loop: fuzzers run where there is little time left. */
export async function until(what: string, isDone: () => boolean): Promise<void> {
  for (let turns = 0; !isDone(); turns++) {
    check(turns < MAX_TURNS, () => `waited for ${what}`);
    await settle(1);
  }
}

/** Waits until nothing happens any more. */
export async function untilQuiet(
  peer: RawClient<MemorySocket>,
  lines: readonly string[] | undefined,
): Promise<void> {
  const { channel } = peer.socket;
  let before = "";
  for (let quiet = 0; quiet < 4;) {
    await settle(2);
    const now = [peer.receivedSize, channel.outgoingSize, channel.incomingSize]
      .concat(lines?.length ?? 0).join();
    quiet = now === before && channel.outgoingSize === 0 ? quiet + 1 : 0;
    before = now;
  }
}

/** Does something to the connection below, or something else. */
export function interfere(
  peer: RawClient<MemorySocket>,
  random: Random,
  doElse: () => void,
): void {
  const { socket } = peer;
  switch (random.below(7)) {
    case 0:
      if (!peer.hasSentEnd) socket.end();
      break;
    case 1:
      if (!peer.isClosed) socket.reset();
      break;
    case 2:
      socket.pause();
      break;
    case 3:
      socket.takeSlowly(1 + random.below(50));
      break;
    case 4:
      socket.take(random.below(500));
      break;
    case 5:
      socket.resume();
      break;
    default:
      doElse();
  }
}

/** Something a program may do, at a bad time. */
export async function misbehave(conn: Connection<unknown>, random: Random): Promise<void> {
  switch (random.below(26)) {
    case 0:
      throw PROGRAM_ERROR;
    case 1:
      void conn.close({ closeCode: 4000, reason: "enough" });
      break;
    case 2:
      conn.abort();
      break;
    case 3:
      void conn.ping().catch(() => {});
      break;
    case 4:
      for (let count = random.below(20); count > 0; count--) conn.trySend("y".repeat(100));
      break;
    case 5:
      void conn.send(new Uint8Array(random.below(5000))).catch(() => {});
      break;
    case 6:
      await new Promise<void>((resolve) => void conn.closed.then(() => resolve()));
      break;
    case 7:
      await conn.close();
      break;
    case 8: {
      const pieces = ["a", "\ud83d", "\ude00", "", "\ud83d", "x".repeat(300)];
      const texts = Array.from({ length: random.below(5) }, () => random.pick(pieces));
      void conn.sendStream("text", streamOf(texts)).catch(() => {});
      conn.send("behind it").catch(() => {});
      break;
    }
    case 9:
      void conn.sendStream("binary", streamOfPieces(random)).catch(() => {});
      break;
    default:
      await settle(random.below(2));
  }
}

/** A stream of bytes, which may fail. */
export function streamOfPieces(random: Random): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      await settle(1);
      if (random.below(3) === 0) controller.close();
      else if (random.below(9) === 0) controller.error(PROGRAM_ERROR);
      else controller.enqueue(new Uint8Array(1 + random.below(1000)));
    },
  });
}

/** The messages among what a plain receiver tells of. */
export function messagesOf({ events }: Received): string[] {
  return events.filter((line) => /^(?:text|binary) /.test(line));
}

/** The Close frame among it. */
export function closingOf({ events }: Received): string | undefined {
  return events.find((line) => line.startsWith("close "));
}

/** Whether a Close frame says that the peer reads nothing any more: it failed the connection, or goes away. */
function isPeerGone(closing: string | undefined): boolean {
  const closeCode = Number(closing?.split(" ")[1] ?? 1000);
  return closeCode < 3000 && closeCode !== 1000 && closeCode !== 1005;
}

/**
 * Checks what has become of frames, if a calm program sent back what it received.
 *
 * @param sendsStreams Whether it sent messages as streams: those are broken off if the peer is gone.
 */
export function checkConversation(
  expected: Received,
  output: ReturnType<typeof readOutput>,
  info: CloseInfo,
  lines: readonly string[] | undefined,
  isSlow: boolean,
  sendsStreams: boolean,
): string {
  const messages = messagesOf(expected);
  if (lines !== undefined) assertEquals(lines, messages);
  const mayBreakOff = sendsStreams && isPeerGone(closingOf(expected));
  const count = mayBreakOff ? output.messages.length : messages.length;
  assertEquals(output.messages, messages.slice(0, count));
  const pongs = expected.events.filter((line) => line.startsWith("ping "))
    .map((line) => line.replace("ping", "pong"));
  if (!isSlow) assertEquals(output.pongs, pongs);
  const closing = closingOf(expected);
  const { closeCode, initiator, wasClean, reason } = info;
  if (expected.closeCode !== undefined) {
    check(output.close!.startsWith(`close ${expected.closeCode} `), () => `${output.close}`);
    assertEquals([closeCode, initiator, wasClean], [expected.closeCode, "local", false]);
  } else if (closing !== undefined) {
    assertEquals(output.close, `close ${closing.split(" ")[1]} ""`);
    assertEquals(`close ${closeCode} ${JSON.stringify(reason)}`, closing);
    assertEquals(initiator, "remote");
    const isWhole = count === messages.length && !output.isBrokenOff;
    // A stream whose last fragment was sent is given up too, as long as the peer has not taken it.
    if (!mayBreakOff || !isWhole) assertEquals(wasClean, isWhole);
  } else {
    assertEquals(output.close, undefined);
    assertEquals(info, { closeCode: 1006, reason: "", wasClean: false, initiator: "remote" });
  }
  return `closed ${closeCode} by ${initiator}`;
}
