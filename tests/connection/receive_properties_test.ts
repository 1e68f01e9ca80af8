import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { Connection, Message } from "../../src/server/mod.ts";
import { FakeClock } from "../../src/testing/fake_clock.ts";
import { clientFrame, closeFrame, decodeUtf8, utf8 } from "../support/raw_client.ts";
import { concatBytes, REFERENCE_OPCODES } from "../support/reference_frames.ts";
import { upgradeRequest } from "../support/requests.ts";
import { type Transport, TRANSPORTS, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { createPick, type Pick } from "./pick.ts";

const { continuation, text, binary, close, ping, pong } = REFERENCE_OPCODES;

interface Script {
  messages: Message[];
  pings: string[];
  /** All frames of the client, its Close frame last. */
  bytes: Uint8Array;
}

/** Messages of all sizes, cut into fragments, with Pings anywhere. */
function createScript(pick: Pick): Script {
  const messages: Message[] = [];
  const pings: string[] = [];
  const frames: Uint8Array[] = [];
  const maybePing = () => {
    if (pick(4) > 0) return;
    pings.push(String(pings.length));
    frames.push(clientFrame({ opcode: ping, payload: utf8(pings.at(-1)!) }));
  };
  const count = 1 + pick(40);
  for (let i = 0; i < count; i++) {
    const size = [0, 1, pick(50), pick(300), pick(3000)][pick(5)];
    const isText = pick(2) === 0;
    const content = `${i} ${"é€😀x".repeat(size)}`.slice(0, size);
    // Half a surrogate pair is no text.
    const whole = content.replace(/[\ud800-\udbff]$/, "");
    const payload = utf8(whole);
    messages.push(isText ? whole : payload);
    let opcode: number = isText ? text : binary;
    for (let position = 0, fin = false; !fin; opcode = continuation) {
      maybePing();
      const length = pick(3) === 0 ? pick(payload.length - position + 1) : payload.length;
      fin = position + length >= payload.length && pick(4) > 0;
      frames.push(
        clientFrame({ opcode, fin, payload: payload.subarray(position, position + length) }),
      );
      position = Math.min(payload.length, position + length);
    }
  }
  maybePing();
  return { messages, pings, bytes: concatBytes([...frames, closeFrame(1000)]) };
}

const asText = (message: Message) => typeof message === "string" ? message : decodeUtf8(message);
const typeOf = (message: Message) => typeof message === "string" ? "text" : "binary";

/** Receives all messages, each in some way, and at some time. */
async function receive(conn: Connection, messages: Message[], pick: Pick): Promise<void> {
  let whole = conn[Symbol.asyncIterator]();
  let streams: ReturnType<Connection["messages"]> | undefined;
  for (const expected of messages) {
    if (pick(4) === 0) await settle(pick(3));
    // One is left before another one begins.
    if (pick(5) === 0) {
      await (streams ?? whole).return!();
      whole = conn[Symbol.asyncIterator]();
      streams = undefined;
    } else if (pick(3) === 0) {
      await (streams ?? whole).return!();
      streams = conn.messages();
    }
    if (streams === undefined) {
      const { value } = await whole.next();
      assert(value !== undefined && typeOf(value) === typeOf(expected));
      assertEquals(asText(value), asText(expected));
      continue;
    }
    const { value: message } = await streams.next();
    assert(message !== undefined, "the end instead of a message");
    assertEquals(message.type, typeOf(expected));
    const way = pick(5);
    if (way === 0) assertEquals(decodeUtf8(await message.bytes()), asText(expected));
    else if (way === 1) assertEquals(await message.text(), asText(expected));
    else if (way === 2) await message.body.cancel();
    else if (way === 3) {
      const reader = message.body.getReader();
      const chunks: Uint8Array[] = [];
      const most = pick(4);
      for (let reads = 0; reads <= most; reads++) {
        const { value, done } = await reader.read();
        if (done) break;
        chunks.push(value);
        if (pick(3) === 0) await settle(1);
      }
      const bytes = concatBytes(chunks);
      assertEquals(bytes, utf8(asText(expected)).subarray(0, bytes.length));
    }
  }
  const end = await (streams ?? whole).next();
  assertEquals(end.done, true);
}

/** A clock that goes on by up to some milliseconds whenever it is looked at. */
class RestlessClock extends FakeClock {
  readonly #pick: Pick = createPick(1);
  #movedMs = 0;

  override now(): number {
    this.#movedMs += this.#pick(8);
    return super.now() + this.#movedMs;
  }
}

/** A server in memory that has to stop for others all the time. */
const busy: Omit<Transport, "withConnection"> = {
  name: "memory, in many turns",
  withServer: (setup, body) => withMemoryServer(setup, body, new RestlessClock()),
};

for (const { name, withServer } of [...TRANSPORTS, busy]) {
  describe(`receiving over ${name}`, () => {
    const check = (seed: number) => {
      const pick = createPick(seed);
      const { messages, pings, bytes } = createScript(pick);
      let result: Promise<void> | undefined;
      const setup = {
        limits: {
          receiveQueueMessages: 1 + pick(5),
          receiveQueueSize: 1 + pick(1000),
          maxFragments: Infinity,
        },
        handler: (conn: Connection) => result = receive(conn, messages, createPick(seed + 1)),
      };
      return withServer(setup, async (server) => {
        let position = pick(3) === 0 ? pick(bytes.length) : 0;
        const client = await server.request(upgradeRequest(), bytes.subarray(0, position));
        while (position < bytes.length) {
          const end = position + 1 + pick([3, 30, 300, 3000, 30_000][pick(5)]);
          client.send(bytes.subarray(position, end));
          position = end;
          if (pick(3) === 0) await settle(pick(3));
        }
        assertEquals((await client.readHead()).status, 101);
        // While output was blocked, only the latest Ping is answered.
        let answered = -1;
        for (let frame = await client.readFrame(); frame.opcode !== close;) {
          assertEquals(frame.opcode, pong);
          const answer = pings.indexOf(decodeUtf8(frame.payload));
          assert(answer > answered, `a Pong to Ping ${answer} after ${answered}`);
          answered = answer;
          frame = await client.readFrame();
        }
        if (name !== "sockets") assertEquals(answered, pings.length - 1);
        await client.finish();
        await result;
      });
    };

    const seeds = Array.from({ length: name === "sockets" ? 40 : 300 }, (_, i) => i);
    it(`gives every message once, in order and whole, with ${seeds.length} seeds`, async () => {
      await Promise.all(seeds.map((seed) =>
        check(seed).catch((cause) => {
          throw new Error(`seed ${seed}: ${cause}`, { cause });
        })
      ));
    });
  });
}
