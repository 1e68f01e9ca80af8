/**
 * Connections that are lost, by RST or FIN, in each phase.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { clientFrame, closeFrame, textFrame, utf8 } from "../../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import type { Attack } from "./attack.ts";
import type { Attacker, Target } from "./target.ts";

const { text, continuation, binary, ping } = REFERENCE_OPCODES;

const REQUEST = utf8(upgradeRequest());

/** All of a connection: what is sent by a client that behaves. */
const CONVERSATION: Uint8Array = concatBytes([
  REQUEST,
  textFrame("a message"),
  clientFrame({ opcode: text, payload: utf8("in frag"), fin: false }),
  clientFrame({ opcode: ping, payload: utf8("alive?") }),
  clientFrame({ opcode: continuation, payload: utf8("ments") }),
  clientFrame({ opcode: binary, payload: new Uint8Array(200) }),
  clientFrame({ opcode: binary, payload: new Uint8Array(70_000) }),
  closeFrame(1000, "bye"),
]);

/** How far a connection gets before it is lost. */
const PHASES: [phase: string, begin: (target: Target) => Promise<Attacker>][] = [
  ["before anything is sent", (target) => target.connect()],
  ["within the request", (target) => target.send(part(REQUEST, target, REQUEST.length - 1))],
  ["behind the request", (target) => target.send(REQUEST)],
  ["behind a message sent with the request", (target) => target.send(REQUEST, textFrame("early"))],
  ["behind the response", (target) => target.open()],
  ["within a frame", async (target) => {
    const attacker = await target.open();
    const frame = clientFrame({ opcode: binary, payload: new Uint8Array(1_000) });
    attacker.send(part(frame, target, frame.length - 1));
    return attacker;
  }],
  ["within a message", async (target) => {
    const attacker = await target.open();
    attacker.send(clientFrame({ opcode: text, payload: utf8("once upon a time"), fin: false }));
    return attacker;
  }],
  ["while the program works on a message", async (target) => {
    const attacker = await target.open();
    attacker.send(textFrame("be slow"), textFrame("a message"), textFrame("another"));
    return attacker;
  }],
  ["while an echo is sent", async (target) => {
    const attacker = await target.open();
    attacker.sendBinary(new Uint8Array(300_000));
    await attacker.readBytes(1_000);
    return attacker;
  }],
  ["behind a broken frame", async (target) => {
    const attacker = await target.open();
    attacker.send(clientFrame({ opcode: text, rsv: 4 }));
    return attacker;
  }],
  ["behind the Close", async (target) => {
    const attacker = await target.open();
    attacker.sendClose(1000);
    return attacker;
  }],
  ["behind the server's Close", async (target) => {
    const attacker = await target.open();
    attacker.sendText("be closed");
    await attacker.readClose();
    return attacker;
  }],
  ["behind any byte of a conversation", (target) => {
    return target.send(part(CONVERSATION, target, CONVERSATION.length));
  }],
];

/** A beginning of bytes: of one at least, and of `most` at most. */
function part(bytes: Uint8Array, target: Target, most: number): Uint8Array {
  return bytes.subarray(0, 1 + target.pick(most));
}

/** The attacks. */
export const losses: readonly Attack[] = PHASES.flatMap(([phase, begin]) => [
  {
    name: `RST ${phase}`,
    outcome: "the connection is over, and nothing of it is left",
    async run(target) {
      const attacker = await begin(target);
      attacker.socket.reset();
      await attacker.untilClosed();
    },
  },
  {
    name: `FIN ${phase}`,
    outcome: "what came before is answered, and FIN answers FIN",
    async run(target) {
      const attacker = await begin(target);
      attacker.socket.end();
      await attacker.readToEnd();
      assert(attacker.hasEnded, "a reset instead of the end");
      await attacker.untilClosed();
      assertEquals(attacker.error, undefined);
    },
  },
]);
