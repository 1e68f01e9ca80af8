/**
 * Clients that don't do their part, or do it slowly.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { clientFrame } from "../../support/raw_client.ts";
import { REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { type Attack, byCrowd, CLOSE_MS, SILENCE_MS } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

const { text, binary } = REFERENCE_OPCODES;

const BEAT_MS = 100;

/** Sends Pings until the connection is gone. */
async function pingUntilGone(target: Target, attacker: Attacker): Promise<void> {
  for (let ms = 0; !attacker.isClosed; ms += BEAT_MS) {
    assert(ms < 5 * CLOSE_MS, "traffic extends the deadline");
    attacker.sendPing("wait!");
    await target.pass(BEAT_MS);
  }
}

/** The attacks. */
export const stuckPeers: readonly Attack[] = [
  byCrowd("the server's Close is not answered, but pinged at", "dropped after 5 seconds", {
    count: 20,
    isSlow: true,
  }, async (attacker, target) => {
    attacker.sendText("be closed");
    assertEquals((await attacker.readClose())[0], 1000);
    await pingUntilGone(target, attacker);
  }),
  byCrowd(
    "a broken frame, and traffic instead of the end",
    "Close with 1002, and dropped after 5 seconds",
    { count: 20, isSlow: true },
    async (attacker, target) => {
      attacker.sendFrame({ opcode: text, rsv: 4 });
      assertEquals((await attacker.readClose())[0], 1002);
      await pingUntilGone(target, attacker);
    },
  ),
  byCrowd("the FIN behind the closing handshake is withheld", "dropped after 5 seconds", {
    count: 20,
    isSlow: true,
  }, async (attacker, target) => {
    attacker.sendClose(1000);
    assertEquals((await attacker.readClose())[0], 1000);
    await attacker.readToEnd();
    assert(attacker.hasEnded);
    await pingUntilGone(target, attacker);
  }),
  byCrowd("the Close is not read, nor what is before it", "dropped after 5 seconds", {
    count: 5,
    isSlow: true,
  }, async (attacker, target) => {
    attacker.socket.pause();
    const frame = clientFrame({ opcode: binary, payload: new Uint8Array(100_000) });
    for (let i = 0; i < 3; i++) attacker.send(frame);
    attacker.sendText("be closed");
    await target.pass(2 * CLOSE_MS);
    attacker.socket.resume();
    await attacker.readToEnd();
  }),
  byCrowd("silence", "dropped after 40 seconds: no answer to a Ping", {
    count: 50,
    isSlow: true,
  }, async (attacker, target) => {
    await target.pass(SILENCE_MS - CLOSE_MS);
    assert(!attacker.isClosed && !attacker.hasEnded, "dropped too early");
    await attacker.readToEnd();
    // Behind the Ping there is no Close: nobody would read it.
    assert(attacker.receivedSize < 200);
  }),
  byCrowd("Pings for ever, and nothing else", "answered: a client may stay", {
    count: 20,
    isSlow: true,
  }, async (attacker, target) => {
    for (let ms = 0; ms < SILENCE_MS + CLOSE_MS; ms += 1_000) {
      attacker.sendPing("still here");
      await target.pass(1_000);
    }
    await target.assertServed(attacker);
  }),
  byCrowd("echoes that are read slowly", "read as slowly, and lost by nobody", {
    count: 5,
    isSlow: true,
  }, async (attacker, target) => {
    attacker.socket.pause();
    const size = 100_000;
    const count = 40;
    const frame = clientFrame({ opcode: binary, payload: new Uint8Array(size) });
    for (let i = 0; i < count; i++) attacker.send(frame);
    for (let i = 0; i < count; i++) {
      attacker.socket.resume();
      assertEquals((await target.readMessage(attacker)).length, size);
      attacker.socket.pause();
      await target.pass(600);
    }
    attacker.socket.resume();
    await target.assertServed(attacker);
  }),
  byCrowd(
    "echoes that are never read",
    "waited for, for as long as the client's system says that it is there",
    { count: 3, isSlow: true },
    async (attacker, target) => {
      attacker.socket.pause();
      const frame = clientFrame({ opcode: binary, payload: new Uint8Array(100_000) });
      for (let i = 0; i < 100; i++) attacker.send(frame);
      await target.pass(SILENCE_MS + CLOSE_MS);
      attacker.socket.resume();
      for (let i = 0; i < 100; i++) {
        assertEquals((await target.readMessage(attacker)).length, 100_000);
      }
    },
  ),
];
