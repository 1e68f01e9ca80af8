import { after, before, describe, it } from "node:test";
import { assert, assertEquals } from "@std/assert";
import { serve } from "../../../mod.ts";
import type { Connection, ServeOptions, Server } from "../../../src/server/mod.ts";
import { HelperProcess } from "../../support/helper_process.ts";
import { onNode } from "../../support/installed_runtimes.ts";
import { streamOf } from "../../support/stream_of.ts";
import { certificate } from "../../support/tls.ts";
import type { Setup } from "../../support/transports.ts";
import { watch } from "../../support/watch.ts";
import { Ledger } from "../rig/ledger.ts";
import { AMOUNTS, messagesOf } from "./messages.ts";
import type { Job, Outcome } from "./slow_reader_process.ts";

/** What a program does when its client asks: it sends much, and waits for none of it. */
function sendMuch(conn: Connection, size: number, ledger: Ledger): void {
  for (const message of messagesOf(size)) void ledger.track("send", conn.send(message));
}

type End = "the server closes" | "the client closes" | "the server is shut down";

/** The programs. Each is asked by the first message for so many bytes, and drops the others. */
function createPrograms(ledger: Ledger, end: (conn: Connection) => void): Record<
  string,
  Setup<unknown>
> {
  const isAsked = new WeakSet<Connection>();
  const message = (conn: Connection, data: string | Uint8Array) => {
    if (isAsked.has(conn)) return;
    isAsked.add(conn);
    sendMuch(conn, Number(data), ledger);
    end(conn);
  };
  return {
    callbacks: { message },
    iteration: {
      async handler(conn) {
        for await (const data of conn) message(conn, data);
      },
    },
    streams: {
      async handler(conn) {
        const reader = conn.readable.getReader();
        const { value } = await reader.read();
        const writer = conn.writable.getWriter();
        const written: Promise<void>[] = [];
        for (const chunk of messagesOf(Number(value))) {
          written.push(ledger.track("write", writer.write(chunk)));
        }
        await Promise.all(written);
        end(conn);
        while (!(await reader.read()).done);
      },
    },
    "a message sent as a stream": {
      async handler(conn) {
        for await (const data of conn.messages()) {
          if (isAsked.has(conn)) continue;
          isAsked.add(conn);
          const size = Number(await data.text());
          const sent = conn.sendStream("binary", streamOf(messagesOf(size)));
          await ledger.track("sendStream", sent);
          end(conn);
        }
      },
    },
  };
}

const NAMES = Object.keys(createPrograms(new Ledger(), () => {}));

for (const tls of [false, true]) {
  describe(`a slow reader that sends all the while, over ${tls ? "TLS" : "TCP"}`, () => {
    let readers: HelperProcess<Job, Outcome>;
    before(() => {
      readers = new HelperProcess(onNode(new URL("slow_reader_process.ts", import.meta.url)));
    });
    after(() => readers.stop());

    for (
      const end of ["the server closes", "the client closes", "the server is shut down"] as End[]
    ) {
      it(`gets every byte, the Close frame and FIN where ${end}`, async () => {
        const runs = NAMES.flatMap((name) => AMOUNTS.map((amount) => ({ name, amount })));
        await Promise.all(runs.map(async ({ name, amount }) => {
          try {
            await run(amount, name, end);
          } catch (cause) {
            throw new Error(`${name}, ${amount.size} bytes: ${cause}`, { cause });
          }
        }));
      });
    }

    async function run(
      { size, readSize, restMs }: typeof AMOUNTS[number],
      name: string,
      end: End,
    ): Promise<void> {
      const ledger = new Ledger();
      const programs = createPrograms(ledger, (conn) => {
        if (end === "the server closes") void conn.close({ closeCode: 4000 });
        if (end === "the server is shut down") void server.shutdown();
      });
      const errors: unknown[] = [];
      const { handler, ...options } = ledger.watch<unknown>({
        ...programs[name],
        port: 0,
        hostname: "127.0.0.1",
        tls: tls ? certificate : undefined,
        limits: { sendQueueSize: Infinity },
        memoryBudget: false,
        // On a busy machine, the slow reader takes longer than the default.
        closeTimeoutMs: 60_000,
        onError: (error) => void errors.push(error),
      } as Setup<unknown>);
      const server: Server = await (handler === undefined
        ? serve(options as ServeOptions)
        : serve(options as ServeOptions, handler));
      assert(server.addr.transport === "tcp");
      // A client that closes first may do so only when everything is accepted; these programs accept
      // it all in the turn in which they are asked.
      const closesFirst = end === "the client closes";
      const { port } = server.addr;
      const job = { port, tls, readSize, restMs, text: String(size), closesFirst };
      const outcome = await readers.ask(job);
      // Everything has ended; where the test fails, it is to end all the same.
      const shutDown = watch(server.shutdown());
      const closeCode = { "the server closes": 4000, "the client closes": 1000 }[end as string] ??
        1001;
      const { sent, ...rest } = outcome;
      assertEquals(rest, {
        size,
        fault: null,
        closeCode,
        hasEnded: true,
        error: null,
      });
      assert(sent > 10, `it sent ${sent} frames only`);
      const { closed } = ledger.only;
      await closed.settled;
      assertEquals(closed.value, {
        closeCode,
        reason: "",
        wasClean: true,
        initiator: closesFirst ? "remote" : "local",
      });
      await shutDown.settled;
      ledger.check(server);
      assertEquals(errors, []);
    }
  });
}
