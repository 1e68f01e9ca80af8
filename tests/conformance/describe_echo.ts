/**
 * Plays conformance cases against the echo example.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import type { Section } from "./case.ts";
import { sectionsFor } from "./cases/mod.ts";
import { clientOf } from "./client.ts";
import { ECHO_STYLES, type EchoCompression, EchoProcess } from "./echo_process.ts";
import { runSections } from "./run_case.ts";

// A little less than the example's deadline for the closing handshake, 5 s.
const SLOW_MS = 4500;

/** Registers the tests of all styles. */
export function describeEcho(
  what: string,
  sections: readonly Section[],
  compression: EchoCompression = "off",
): void {
  for (const style of ECHO_STYLES) {
    const played = sectionsFor(style, sections);
    if (played.length === 0) continue;
    describe(`${what} of the echo example, style ${style}`, () => {
      let server: EchoProcess | undefined;

      before(async () => {
        server = await EchoProcess.start(style, compression);
      });

      // Whatever a test before has done, the process ends with the file.
      after(async () => {
        await server?.stop();
      });

      for (const section of played) {
        it(section.name, async () => {
          const results = await runSections(clientOf(server!.url), [section], { slowMs: SLOW_MS });
          const failed = results.filter(({ failure }) => failure !== undefined);
          assertEquals(failed.map(({ id, name, failure }) => `${id} ${name}: ${failure}`), []);
        });
      }

      it("ends in order, without a word on its standard error", async () => {
        assertEquals(await server!.stop(), { exitCode: 0, stderr: "" });
      });
    });
  }
}
