import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, Connection } from "../../src/server/mod.ts";
import { clientFrame, closeFrame, textFrame, utf8 } from "../support/raw_client.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { type MemoryHarness, type Setup, withMemoryServer } from "../support/transports.ts";
import { settle } from "../support/turn.ts";
import { createPrograms, Session, STEPS } from "./session.ts";

/** How a session is broken off. */
const FAULTS: Record<string, (session: Session) => void> = {
  "the client sends FIN": ({ client }) => client.hasSentEnd || client.socket.end(),
  "the client sends RST": ({ client }) => client.socket.reset(),
  "the client reads nothing more, and sends nothing": ({ client }) => client.socket.pause(),
  "the client sends nothing more": () => {},
  "the client sends FIN, and reads nothing more": ({ client }) => {
    client.socket.pause();
    if (!client.hasSentEnd) client.socket.end();
  },
  "the client sends what is no WebSocket": ({ client }) => {
    if (!client.hasSentEnd) client.send(new Uint8Array(200).fill(0xff));
  },
  "it is dropped by abort()": ({ conn }) => conn?.abort(),
  "it is closed by close()": ({ conn }) => void conn?.close({ closeCode: 4000 }),
  "the server is shut down": ({ server }) => void server.server.shutdown(),
};

/** Some of each kind of frame of a client. */
const FRAMES = concatBytes([
  textFrame("é"),
  clientFrame({ opcode: 2, payload: utf8("one"), fin: false }),
  clientFrame({ opcode: 9, payload: utf8("?") }),
  clientFrame({ opcode: 0, payload: new Uint8Array(126) }),
  clientFrame({ opcode: 1, payload: utf8("") }),
  closeFrame(1000, "bye"),
]);

const HOUR_MS = 3_600_000;

/** Checks that nothing is left of a session that was broken off. */
function checkOver(session: Session, conn: Connection | undefined, ends: CloseInfo[]): void {
  const { server, client, promises } = session;
  assertEquals(server.clock.pending, [], "timers are left");
  assertEquals(server.server.connections.size, 0, "the connection is left");
  assertEquals(promises.filter(({ state }) => state === "pending").length, 0, "promises pend");
  assertEquals(server.channelOf(client).outgoingSize, 0, "bytes are left");
  assert(session.source === undefined || session.isSourceOver, "the source is not cancelled");
  if (conn !== undefined) assertEquals([conn.state, conn.bufferedAmount], ["closed", 0]);
  assert(ends.length <= 1, "the close callback was called twice");
}

async function breakOff(
  setup: Setup<unknown>,
  steps: number,
  fault: (session: Session) => void,
  start: (server: MemoryHarness<unknown>) => Session,
): Promise<void> {
  const ends: CloseInfo[] = [];
  const close = (_: unknown, info: CloseInfo) => void ends.push(info);
  const full = setup.handler === undefined ? { ...setup, close } : setup;
  await withMemoryServer(full, async (server) => {
    const session = start(server);
    for (const [, run] of STEPS.slice(0, steps)) await run(session);
    const { conn } = session;
    fault(session);
    // Long enough for every deadline, one after another.
    await server.clock.advance(HOUR_MS);
    await settle();
    checkOver(session, conn, ends);
    if (conn !== undefined && setup.handler === undefined) assertEquals(ends.length, 1);
  });
}

/** Breaks off a session with one of the programs. */
async function breakOffProgram(
  program: string,
  steps: number,
  fault: (session: Session) => void,
  takesAtOnce: number = Infinity,
): Promise<void> {
  let session: Session | undefined;
  const setup = createPrograms((promise) => session?.track(promise))[program];
  try {
    await breakOff(setup, steps, fault, (server) => session = new Session(server, takesAtOnce));
  } catch (error) {
    throw new Error(`after "${STEPS[steps - 1][0]}": ${error}`, { cause: error });
  }
}

const PROGRAMS = Object.keys(createPrograms(() => {}));

// All at once, each with a network and a clock of its own: most of the time is spent waiting.
for (const program of PROGRAMS) {
  describe(`a session with ${program}`, () => {
    for (const [what, fault] of Object.entries(FAULTS)) {
      it(`leaves nothing when ${what}, after any step`, async () => {
        await Promise.all(STEPS.map((_, i) => breakOffProgram(program, i + 1, fault)));
      });
    }

    it("leaves nothing when it comes to its end, over short writes too", async () => {
      const fault = ({ client }: Session) => assertEquals(client.error, undefined);
      await Promise.all(
        [Infinity, 20_000, 7_777].map((takesAtOnce) =>
          breakOffProgram(program, STEPS.length, fault, takesAtOnce)
        ),
      );
    });

    for (const [what, how] of [["FIN", "end"], ["RST", "reset"]] as const) {
      it(`leaves nothing when the client sends ${what} at any byte of its frames`, async () => {
        await Promise.all(Array.from({ length: FRAMES.length + 1 }, (_, length) => {
          // The handshake is over with the fourth step.
          return breakOffProgram(program, 4, ({ client }) => {
            client.send(FRAMES.subarray(0, length));
            client.socket[how]();
          });
        }));
      });
    }
  });
}
