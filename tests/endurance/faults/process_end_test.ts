import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { readFileSync } from "node:fs";
import { TestProcess } from "../../support/child_process.ts";
import { AMOUNTS } from "./messages.ts";
import { SlowReaders } from "./slow_reader.ts";

function readTls(name: string): string {
  return readFileSync(new URL(`../../support/tls/${name}`, import.meta.url), "utf8");
}

describe("a process that sends much, closes, and ends", () => {
  let readers: SlowReaders;
  before(() => {
    readers = new SlowReaders();
  });
  after(() => readers.close());

  for (const first of ["close", "shutdown"]) {
    for (const [how, last] of [["by process.exit()", "exit"], ["by itself", "end"]]) {
      for (const tls of [false, true]) {
        it(`${how} after ${first}() over ${tls ? "TLS" : "TCP"}: its client gets all`, async () => {
          await Promise.all(AMOUNTS.map(async ({ size, readSize, restMs }) => {
            const server = new TestProcess(
              new URL("closing_process.ts", import.meta.url),
              last,
              first,
              ...tls ? [readTls("cert.pem"), readTls("key.pem")] : [],
            );
            try {
              const port = Number((await server.untilPrinted(/port (\d+)/))[1]);
              const job = { port, tls, readSize, restMs, text: String(size), closesFirst: false };
              const { id: _, sent: __, ...outcome } = await readers.run(job);
              assertEquals(outcome, {
                size,
                fault: null,
                closeCode: 1001,
                hasEnded: true,
                error: null,
              });
              assertEquals(await server.untilEnded(), 0, server.output);
            } finally {
              server.kill();
            }
          }));
        });
      }
    }
  }
});
