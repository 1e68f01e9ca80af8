// @waits

import { assertEquals } from "@std/assert";
import { describe } from "node:test";
import { encodeReferenceFrame, REFERENCE_OPCODES } from "../../support/reference_frames.ts";
import { kernelBufferSize, MESSAGE_SIZE, startFlood, waitForStandstill } from "./flood.ts";
import { FrameReader } from "../rig/frame_reader.ts";
import { MiB, mib, progress } from "../rig/scale.ts";
import type { TcpClient } from "../rig/tcp_client.ts";
import { testServers } from "../rig/test_server.ts";

const MASKING_KEY = Uint8Array.of(0x37, 0xfa, 0x21, 0x3d);
const RECEIVE_QUEUE_SIZE = MiB;
/** What the server may need more of memory: the receive queue, and garbage. */
const MAX_GROWTH = 32 * MiB;

describe("a program that sleeps stops the client's TCP", () => {
  const ways = ["sleep-callback", "sleep-iterate", "sleep-streams", "sleep-messages"];
  const servers = ways.map((name) => ({ name, script: "program_server.ts", args: [name] }));
  testServers(servers, async (server, program) => {
    const answer = new TextReceiver();
    const client = await server.open((bytes) => answer.push(bytes));
    server.resetPeak();
    const before = server.residentSize;
    const flood = startFlood(client);
    const most = kernelBufferSize() + RECEIVE_QUEUE_SIZE + 2 * MESSAGE_SIZE;
    const accepted = await waitForStandstill(client, most);
    const growth = server.peakSize - before;
    progress(`${program}: ${mib(accepted)} were taken; the server grew by ${mib(growth)}`);
    assertEquals(growth < MAX_GROWTH, true, `the server grew by ${mib(growth)}`);

    server.signal("SIGUSR2");
    await flood.stop();
    const payload = new TextEncoder().encode("how many?");
    const { text } = REFERENCE_OPCODES;
    await client.write(
      encodeReferenceFrame({ opcode: text, payload, maskingKey: MASKING_KEY }),
    );
    assertEquals(await answer.text(client), String(flood.count * MESSAGE_SIZE));
    client.reset();
  });
});

/** Waits for one text message. */
class TextReceiver {
  #text = "";
  readonly #received: PromiseWithResolvers<string> = Promise.withResolvers();
  readonly #reader: FrameReader;

  constructor() {
    const { text } = REFERENCE_OPCODES;
    this.#reader = new FrameReader(
      (piece, opcode) => {
        if (opcode === text) this.#text += new TextDecoder("latin1").decode(piece);
      },
      (opcode) => {
        if (opcode === text) this.#received.resolve(this.#text);
      },
    );
  }

  push(bytes: Uint8Array): void {
    this.#reader.push(bytes);
  }

  /** Resolves with the message; rejects where the connection ends before. */
  text(client: TcpClient): Promise<string> {
    client.closed.then(() => this.#received.reject(new Error("The connection was closed")));
    return this.#received.promise;
  }
}
