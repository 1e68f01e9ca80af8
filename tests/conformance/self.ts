/**
 * Tests of the conformance cases themselves: a server without mistakes passes them, and one with a
 * mistake does not.
 *
 * @module
 */

import { it } from "node:test";
import { assertEquals, assertMatch } from "@std/assert";
import type { Section } from "./case.ts";
import { clientOf } from "./client.ts";
import { type AnyMistake, SLOW_MS, startPlainServer } from "./plain_server.ts";
import { runSections } from "./run_case.ts";

/** What finds a mistake. */
export interface Found {
  section: Section;
  /** The number of the cases in the section that do, where not all need be played. */
  group?: string;
  /** What is said of it. */
  failure: RegExp;
  /**
   * How long to wait, in milliseconds. What a server does not do is found by waiting. The wait is no
   * limit for the others: they fail sooner, or pass.
   *
   * @default 500
   */
  deadlineMs?: number;
}

/** Plays the cases against a server without mistakes. */
export function describePlainServer(sections: readonly Section[]): void {
  for (const section of sections) {
    it(`pass with a plain and strict server: ${section.name}`, async () => {
      const server = await startPlainServer();
      // The plain server is too slow for megabytes.
      const cases = section.cases.filter(({ heavy }) => !heavy);
      const results = await runSections(clientOf(server.url), [{ name: section.name, cases }]);
      await server.close();
      assertEquals(results.filter(({ failure }) => failure !== undefined), []);
      assertEquals(results.length, cases.length);
    });
  }
}

/** Plays the cases that find a mistake against a server that makes it. */
export function describeMistakes(found: Partial<Record<AnyMistake, Found>>): void {
  for (const [mistake, how] of Object.entries(found)) {
    const { section, group = "", failure, deadlineMs = 500 } = how;
    it(`find a server that ${mistake}`, async () => {
      const server = await startPlainServer(mistake as AnyMistake);
      const cases = section.cases.filter(({ id, heavy }) => !heavy && id.startsWith(group));
      const results = await runSections(clientOf(server.url), [{ name: section.name, cases }], {
        ...(mistake === "ends the connection late" && { slowMs: SLOW_MS }),
        deadlineMs,
        until: failure,
      });
      await server.close();
      const failures = results.flatMap((result) => result.failure ?? []);
      assertMatch(failures.join("\n"), failure);
    });
  }
}
