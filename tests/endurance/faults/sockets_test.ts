import { describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, ServerConnection } from "../../../src/server/mod.ts";
import { canCount, countSettledSockets, untilSockets } from "../../runtimes/descriptors.ts";
import { createPrograms } from "../../connection/programs.ts";
import {
  clientFrame,
  closeFrame,
  type RawClient,
  textFrame,
  utf8,
} from "../../support/raw_client.ts";
import { concatBytes } from "../../support/reference_frames.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { type Harness, type Setup, TRANSPORTS } from "../../support/transports.ts";
import { settle, turn } from "../../support/turn.ts";
import { Ledger } from "../rig/ledger.ts";
import { endAll, type Fault, FAULT_NAMES, FAULTS, LOST, SILENT, untilOver } from "./faults.ts";

/** How many connections there are at once. */
const AT_ONCE = 60;

const CLEAN = { closeCode: 4000, reason: "bye", wasClean: true, initiator: "remote" } as const;
const OWN = { closeCode: 4001, reason: "over", wasClean: true, initiator: "local" } as const;

/** Some of each kind of frame. */
const FRAMES = concatBytes([
  textFrame("\u00e9"),
  clientFrame({ opcode: 2, payload: utf8("one"), fin: false }),
  clientFrame({ opcode: 9, payload: utf8("?") }),
  clientFrame({ opcode: 0, payload: new Uint8Array(126) }),
  clientFrame({ opcode: 10, payload: utf8("unasked") }),
  closeFrame(4000, "bye"),
]);
const LONG = clientFrame({ opcode: 2, payload: new Uint8Array(65_536) });
/** What has the server close first. */
const ASK = textFrame("close");
const ANSWER = closeFrame(4001, "over");

/** One connection that is cut off. */
interface Job {
  fault: Fault;
  /** Which part of what the client sends it is cut off in. */
  part: "request" | "frames" | "long" | "answer";
  cut: number;
  /** Whether the server has time to take it before the fault. */
  isSlow: boolean;
}

/** A request whose target is the number, and whose length is always the same. */
function requestOf(id: number): string {
  return upgradeRequest({ target: `/${String(id).padStart(6, "0")}` });
}

function* createJobs(withRequests: boolean): Generator<Job> {
  const lengths = {
    request: withRequests ? requestOf(0).length - 1 : -1,
    frames: FRAMES.length,
    long: 20,
    answer: ANSWER.length,
  };
  for (const fault of FAULT_NAMES) {
    for (const [part, length] of Object.entries(lengths)) {
      for (let cut = 0; cut <= length; cut++) {
        // Silence has to be waited for: not at every byte of everything.
        if (fault === "silence" && part === "request" && cut % 10 > 0) continue;
        yield { fault, part: part as Job["part"], cut, isSlow: cut % 2 === 0 };
      }
    }
  }
}

/** Whether the connection may end so. */
function mayEnd({ fault, part, cut }: Job, end: CloseInfo): boolean {
  const isSame = (other: CloseInfo) =>
    JSON.stringify(sorted(end)) === JSON.stringify(sorted(other));
  const isWhole = (part === "frames" && cut === FRAMES.length) ||
    (part === "answer" && cut === ANSWER.length);
  const clean = part === "answer" ? OWN : CLEAN;
  const unclean = { ...clean, wasClean: false };
  // A reset may come before what was sent just before it has been read, or answered.
  if (fault === "RST" && isWhole) return [clean, unclean, LOST].some(isSame);
  if (part === "answer") return isSame(isWhole ? clean : unclean);
  if (fault === "RST") return isSame(LOST);
  if (isWhole) return isSame(clean);
  return isSame(fault === "FIN" ? LOST : SILENT);
}

function sorted({ closeCode, reason, wasClean, initiator }: CloseInfo): unknown[] {
  return [closeCode, reason, wasClean, initiator];
}

/** Sends what the job says, and lets the fault happen. */
async function runJob(server: Harness<unknown>, job: Job, id: number): Promise<RawClient> {
  const { part, cut, fault, isSlow } = job;
  const client = await server.connect();
  const request = requestOf(id);
  if (part === "request") {
    if (cut > 0) client.send(request.slice(0, cut));
  } else if (part === "answer") {
    client.send(request, ASK);
    await client.readHead();
    await client.readMessage();
    assertEquals(await client.readClose(), [4001, "over"]);
    if (cut > 0) client.send(ANSWER.subarray(0, cut));
  } else {
    const bytes = part === "frames" ? FRAMES.subarray(0, cut) : LONG.subarray(0, cut);
    if (!isSlow) client.send(request, bytes);
    else {
      client.send(request);
      await client.readHead();
      client.send(bytes);
    }
  }
  if (isSlow) await settle(2);
  FAULTS[fault](client);
  return client;
}

const { withServer } = TRANSPORTS.find(({ name }) => name === "sockets")!;

/** Closes where the client asks for it, and does what the program does besides. */
function closing(setup: Setup<unknown>): Setup<unknown> {
  if (setup.message === undefined) return setup;
  const { message } = setup;
  return {
    ...setup,
    message(conn: ServerConnection, data) {
      const result = message(conn, data);
      if (data === "close") void conn.close({ closeCode: 4001, reason: "over" });
      return result;
    },
  };
}

describe("hundreds of real connections that are cut off", () => {
  for (const program of ["callbacks", "iteration", "streams", "streamed messages"]) {
    it(`at every byte, by RST, FIN and silence, with ${program}, leave nothing`, async () => {
      const ledger = new Ledger();
      const track = (promise: Promise<unknown>) => void ledger.track("the program", promise);
      const programs = createPrograms(track);
      const isFirst = program === "callbacks";
      const setup = ledger.watch({
        handshakeTimeoutMs: 1_000,
        closeTimeoutMs: 500,
        keepAlive: { intervalMs: 400, timeoutMs: 1_000 },
        ...closing(programs[program]),
      });
      await withServer(setup, async (server) => {
        (await server.connect()).socket.reset();
        await untilOver(server.server);
        const sockets = canCount ? await countSettledSockets() : 0;
        // Only the callbacks close when they are asked to.
        const jobs = [...createJobs(isFirst)].filter(({ part }) => isFirst || part !== "answer");
        const clients: RawClient[] = [];
        let next = 0;
        const work = async () => {
          for (let id = next++; id < jobs.length; id = next++) {
            clients[id] = await runJob(server, jobs[id], id).catch((cause) => {
              throw new Error(`${JSON.stringify(jobs[id])}: ${cause}`, { cause });
            });
            await turn();
          }
        };
        await Promise.all(Array.from({ length: AT_ONCE }, work));
        await untilOver(server.server);
        await endAll(clients);
        ledger.check(server.server);
        let opened = 0;
        for (const { conn, closed } of ledger.entries.values()) {
          const id = Number(new URL(conn.request.url).pathname.slice(1));
          const job = jobs[id];
          if (job.fault !== "RST") opened++;
          const end = closed.value!;
          assert(mayEnd(job, end), `${JSON.stringify(job)} ended with ${JSON.stringify(end)}`);
        }
        // Who does not reset has a connection, once its request is whole.
        const expected = jobs.filter(({ part, fault }) => part !== "request" && fault !== "RST");
        assertEquals(opened, expected.length);
        if (canCount) await untilSockets(sockets);
      });
    });
  }
});
