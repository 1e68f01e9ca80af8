import { assert, assertEquals } from "@std/assert";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { Address } from "../../../src/transport/byte_channel.ts";
import { serve } from "../../../mod.ts";
import { mount } from "../../../src/runtimes/node/mount.ts";
import type { Connection } from "../../../src/server/mod.ts";
import { withFolder } from "../../runtimes/server.ts";
import { certificate } from "../../support/tls.ts";
import { PeerProcess } from "../../runtimes/peer.ts";
import { upgradeRequest } from "../../support/requests.ts";
import { turn } from "../../support/turn.ts";
import { eventually } from "../../support/waiter.ts";
import { watch, type Watched } from "../../support/watch.ts";

const MESSAGE_SIZE = 262_144;
const MESSAGES = 100;
const MiB = 1_048_576;

type Handler = (conn: Connection) => Promise<unknown>;
/** Runs a server, whose connections are given to `handler`, and calls `body` with where it listens. */
type Run = (handler: Handler, body: (address: Address) => Promise<void>) => Promise<void>;
type Kind = "TCP" | "TLS" | "a Unix socket";

const serveOver = (kind: Kind): Run => (handler, body) =>
  withFolder(async (folder) => {
    const target = kind === "a Unix socket"
      ? { path: join(folder, "socket") }
      : { port: 0, hostname: "127.0.0.1" };
    const tls = kind === "TLS" ? { tls: certificate } : {};
    const server = await serve({ ...target, ...tls }, handler);
    try {
      await body(server.addr);
    } finally {
      await server.shutdown({ timeoutMs: 1 });
    }
  });

const mountOver = (kind: Kind): Run => (handler, body) =>
  withFolder(async (folder) => {
    const path = join(folder, "socket");
    const mounted = await mount({}, handler);
    const http = kind === "TLS" ? createTlsServer(certificate) : createServer();
    http.on("upgrade", mounted.handleUpgrade);
    http.listen(kind === "a Unix socket" ? { path } : { port: 0, host: "127.0.0.1" });
    await once(http, "listening");
    const bound = http.address();
    assert(bound !== null);
    try {
      await body(
        typeof bound === "string"
          ? { transport: "unix", path }
          : { transport: "tcp", hostname: bound.address, port: bound.port },
      );
    } finally {
      http.close();
      await mounted.shutdown({ timeoutMs: 1 });
    }
  });

const STAGES: { name: string; isTls: boolean; run: Run }[] =
  (["TCP", "TLS", "a Unix socket"] as const).flatMap((kind) => [
    { name: kind, isTls: kind === "TLS", run: serveOver(kind) },
    { name: `mount and ${kind}`, isTls: kind === "TLS", run: mountOver(kind) },
  ]);

function connectTo(address: Address, isTls: boolean): Socket {
  assert(address.transport !== "stream");
  if (address.transport === "unix") return connect(address.path);
  const { hostname: host, port } = address;
  return isTls ? connectTls({ host, port, ca: certificate.cert }) : connect({ host, port });
}

/** Ways to send messages from one buffer, each full of another byte. */
const WAYS: [name: string, send: (conn: Connection) => Promise<void>][] = [
  ["send", async (conn) => {
    const bytes = new Uint8Array(MESSAGE_SIZE);
    for (let i = 0; i < MESSAGES; i++) await conn.send(bytes.fill(i));
  }],
  ["writable", async (conn) => {
    const bytes = new Uint8Array(MESSAGE_SIZE);
    const writer = conn.writable.getWriter();
    for (let i = 0; i < MESSAGES; i++) await writer.write(bytes.fill(i));
  }],
  ["sendStream", async (conn) => {
    const bytes = new Uint8Array(MESSAGE_SIZE);
    let i = 0;
    const pull = (controller: ReadableStreamDefaultController<Uint8Array>) => {
      if (i === MESSAGES) controller.close();
      else controller.enqueue(bytes.fill(i++));
    };
    // Asked for the next chunk only when the one before is sent.
    await conn.sendStream("binary", new ReadableStream({ pull }, { highWaterMark: 0 }));
  }],
];

/** Takes what a server sends, of which each payload of MESSAGE_SIZE is full of another byte. */
class PayloadCheck {
  /** The bytes of payload that came. */
  size = 0;
  /** The messages that are not as they were sent. */
  readonly corrupt: Set<number> = new Set();
  #rest: Buffer = Buffer.alloc(0);
  #isHead = true;
  /** How much is to come of a frame's payload. */
  #left = 0;

  push(bytes: Uint8Array): void {
    let rest = Buffer.concat([this.#rest, bytes]);
    if (this.#isHead) {
      const end = rest.indexOf("\r\n\r\n");
      this.#isHead = end < 0;
      rest = end < 0 ? rest : rest.subarray(end + 4);
    }
    while (!this.#isHead && rest.length > 0) {
      if (this.#left === 0) {
        const length = rest.length < 2 ? 0 : rest[1];
        const header = length === 127 ? 10 : length === 126 ? 4 : 2;
        if (rest.length < header) break;
        this.#left = header === 10
          ? rest.readUInt32BE(6)
          : header === 4
          ? rest.readUInt16BE(2)
          : length;
        rest = rest.subarray(header);
      }
      const message = Math.floor(this.size / MESSAGE_SIZE);
      const size = Math.min(rest.length, this.#left, (message + 1) * MESSAGE_SIZE - this.size);
      if (!rest.subarray(0, size).equals(Buffer.alloc(size, message))) this.corrupt.add(message);
      this.size += size;
      this.#left -= size;
      rest = rest.subarray(size);
    }
    this.#rest = rest;
  }
}

describe("a buffer that is used again as soon as it is sent", () => {
  for (const { name, isTls, run } of STAGES) {
    for (const [way, send] of WAYS) {
      it(`arrives as it was sent, by ${way} over ${name}`, () =>
        run(async (conn) => {
          await send(conn);
          await conn.closed;
        }, async (address) => {
          const check = new PayloadCheck();
          const socket = connectTo(address, isTls);
          let rests = 0;
          socket.on("data", (bytes: Uint8Array) => {
            check.push(bytes);
            if (check.size < (rests + 1) * 10 * MESSAGE_SIZE) return;
            rests++;
            socket.pause();
            setTimeout(() => socket.resume(), 3);
          });
          socket.write(upgradeRequest());
          await eventually("all of it", () => check.size === MESSAGES * MESSAGE_SIZE);
          assertEquals([...check.corrupt], []);
          socket.destroy();
        }));
    }
  }
});

describe("what clients that never read are sent", () => {
  // In a process of their own: a paused TLS socket of Deno reads on.
  let peers: PeerProcess;
  before(() => {
    peers = new PeerProcess();
  });
  after(() => peers.close());

  for (const { name, isTls, run } of STAGES) {
    it(`is counted as held, and within the memory budget, over ${name}`, async () => {
      const conns: Connection[] = [];
      const sends: Watched<void>[] = [];
      await run((conn) => {
        conns.push(conn);
        void conn.send("hello");
        sends.push(watch(conn.send(new Uint8Array(8 * MiB))));
        return conn.closed;
      }, async (address) => {
        for (let i = 1; i <= 12; i++) {
          const peer = await peers.connect(address, { tls: isTls, paused: true });
          await peer.writeText(upgradeRequest());
          await eventually("a connection", () => conns.length === i);
          // In these round trips and turns, the system takes as much of it as it ever does.
          for (let k = 0; k < 10; k++) {
            await peer.now();
            await turn();
          }
          const open = conns.filter(({ state }) => state !== "closed");
          for (const conn of open) {
            const { bufferedAmount, heldSize } = conn.stats();
            assert(bufferedAmount >= 8 * MiB, `${bufferedAmount} bytes are said to wait`);
            assert(heldSize >= 8 * MiB, `${heldSize} bytes are said to be held`);
          }
          // The budget is 16 MiB, and 32 KiB for each connection.
          assert(open.length <= 2, `${open.length} connections hold 8 MiB each`);
        }
        assertEquals(sends.filter(({ state }) => state === "resolved").length, 0);
      });
    });
  }
});
