import { describe, it } from "node:test";
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { assertEquals } from "@std/assert";
import { loadConnectionParts } from "../../src/connection/load_parts.ts";
import { openConnection } from "../../src/connection/open_connection.ts";
import { resolveConnectionOptions } from "../../src/connection/options.ts";
import { giveTurnsBy } from "../../src/connection/turns.ts";
import { WebSocketConnection } from "../../src/connection/web_socket_connection.ts";
import { CLOSE_TIMEOUT_MS, type Open, playAll, PLAYED, sequencesOf } from "./end_sequences.ts";

/**
 * How connections stood after each sequence before there was a table: recorded with commit f01a856, on Node and
 * Bun alike. `played` has the index of the outcome of each sequence, in order: 16 bits each, deflated.
 */
const { outcomes, played } = JSON.parse(
  readFileSync(new URL("end_outcomes.json", import.meta.url), "utf8"),
) as { outcomes: string[]; played: string[] };
const indices = inflateRawSync(Uint8Array.from(atob(played.join("")), (c) => c.charCodeAt(0)));

/** How many are played side by side. */
const BATCH = 4_000;

await loadConnectionParts(resolveConnectionOptions({}), false, false);
giveTurnsBy((callback) => void setImmediate(callback));

const open: Open = ({ role, channel, clock, callbacks, handler }) =>
  openConnection({
    role,
    channel,
    info: {
      request: { heldSize: 0 } as never,
      protocol: "",
      extensions: "",
      compression: undefined,
      data: undefined,
    },
    settings: resolveConnectionOptions(
      { closeTimeoutMs: CLOSE_TIMEOUT_MS, keepAlive: false },
      clock,
    ),
    callbacks,
    owner: { reportError() {}, removeConnection() {} },
    received: new Uint8Array(0),
    hasEnded: false,
    createConnection: (core) => new WebSocketConnection(core),
    start: handler,
  });

describe("all sequences of what can end a connection", () => {
  let position = 0;
  for (const { mode, events, lengths } of PLAYED) {
    for (const length of lengths) {
      const start = position;
      position += events.length ** length;
      it(`end as ever: ${mode}, ${length} of ${events}`, { timeout: 120_000 }, async () => {
        const sequences = sequencesOf(events, length);
        for (let i = 0; i < sequences.length; i += BATCH) {
          const batch = sequences.slice(i, i + BATCH);
          const results = await playAll(mode, batch, open);
          for (const [j, result] of results.entries()) {
            const at = (start + i + j) * 2;
            const expected = outcomes[indices[at] * 256 + indices[at + 1]];
            if (result !== expected) assertEquals(result, expected, `after ${batch[j]}`);
          }
        }
      });
    }
  }

  it("are as many as were recorded", () => assertEquals(position * 2, indices.length));
});
