import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { TestProcess } from "../../support/child_process.ts";
import { HelperProcess } from "../../support/helper_process.ts";
import { onNode } from "../../support/installed_runtimes.ts";
import { certificate } from "../../support/tls.ts";
import { AMOUNTS } from "./messages.ts";
import type { Job, Outcome } from "./slow_reader_process.ts";

describe("a process that sends much, closes, and ends", () => {
  let readers: HelperProcess<Job, Outcome>;
  before(() => {
    readers = new HelperProcess(onNode(new URL("slow_reader_process.ts", import.meta.url)));
  });
  after(() => readers.stop());

  for (const first of ["close", "shutdown"]) {
    for (const [how, last] of [["by process.exit()", "exit"], ["by itself", "end"]]) {
      for (const tls of [false, true]) {
        it(`${how} after ${first}() over ${tls ? "TLS" : "TCP"}: its client gets all`, async () => {
          await Promise.all(AMOUNTS.map(async ({ size, readSize, restMs }) => {
            const server = new TestProcess(
              new URL("closing_process.ts", import.meta.url),
              last,
              first,
              ...tls ? [certificate.cert, certificate.key] : [],
            );
            try {
              const port = Number((await server.untilPrinted(/port (\d+)/))[1]);
              const job = { port, tls, readSize, restMs, text: String(size), closesFirst: false };
              const { sent: _, ...outcome } = await readers.ask(job);
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
