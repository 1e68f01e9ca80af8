/**
 * Plays the conformance cases as a server, against a client that echoes.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import { connect, type ConnectOptions } from "../../src/runtimes/shared/client.ts";
import type { Connection, ConnectionCallbacks } from "../../src/connection/connection.ts";
import type { Section } from "./case.ts";
import { compressionFrames } from "./cases/compression_frames.ts";
import { compressionOffers } from "./cases/compression_offers.ts";
import { COMPRESSION_SECTIONS, SECTIONS, sectionsFor, withoutHeavy } from "./cases/mod.ts";
import { runSections } from "./run_case.ts";
import { CaseServer } from "./server.ts";

// A little less than a client's deadline for the closing handshake, 5 s.
const SLOW_MS = 4500;

/** The ways to echo. */
const STYLES: Record<string, ConnectionCallbacks | ((conn: Connection) => Promise<void>)> = {
  callback: { message: (conn, data) => conn.send(data) },
  iterate: async (conn) => {
    for await (const message of conn) await conn.send(message);
  },
  streams: (conn) => conn.readable.pipeTo(conn.writable),
  messages: async (conn) => {
    for await (const { type, body } of conn.messages()) await conn.sendStream(type, body);
  },
};

/** Echoes on connections until they end, however that is. */
class EchoingClient {
  readonly #style: ConnectionCallbacks | ((conn: Connection) => Promise<void>);
  readonly #options: ConnectOptions;
  readonly #running: Promise<void>[] = [];

  constructor(style: string, compression: ConnectOptions["compression"]) {
    this.#style = STYLES[style];
    const limits = { maxMessageSize: 16 * 1024 * 1024, maxFragments: Infinity };
    this.#options = { limits, compression };
  }

  connect(url: string): void {
    this.#running.push(this.#echo(url));
  }

  async #echo(url: string): Promise<void> {
    if (typeof this.#style === "function") {
      const conn = await connect(url, this.#options);
      // It fails where the connection does: the case tells whether it should.
      await this.#style(conn).catch(() => {});
      await conn.closed;
    } else {
      const conn = await connect(url, { ...this.#options, ...this.#style });
      await conn.closed;
    }
  }

  /** Waits until all have ended. Rejects where one could not connect. */
  async finish(): Promise<void> {
    await Promise.all(this.#running);
  }
}

function describeCases(
  title: string,
  style: string,
  compression: ConnectOptions["compression"],
  sections: readonly Section[],
): void {
  if (sections.length === 0) return;
  describe(`conformance of a client, ${title}, style ${style}`, () => {
    const client = new EchoingClient(style, compression);
    let server: CaseServer;

    before(async () => {
      server = await CaseServer.start((url) => client.connect(url));
    });

    after(async () => {
      await server.stop();
    });

    for (const { name, cases } of sections) {
      it(name, async () => {
        const results = await runSections(server, [{ name, cases }], { slowMs: SLOW_MS });
        const failed = results.filter(({ failure }) => failure !== undefined);
        assertEquals(failed.map(({ id, name, failure }) => `${id} ${name}: ${failure}`), []);
      });
    }

    it("leaves no connection", async () => {
      await client.finish();
    });
  });
}

/** The cases in which one side offers what a server could agree to, alone. */
function withOneOffer(sections: readonly Section[]): Section[] {
  return sections.map(({ name, cases }) => ({
    name,
    cases: cases.filter(({ negotiation, heavy }) => !heavy && negotiation?.offers.length === 1),
  }));
}

for (const style of Object.keys(STYLES)) {
  describeCases("without compression", style, false, withoutHeavy(sectionsFor(style, SECTIONS)));
}
const windows = { threshold: 0, serverMaxWindowBits: 15, clientMaxWindowBits: 15 };
describeCases(
  "keeping windows",
  "callback",
  { contextTakeover: true, ...windows },
  withOneOffer(COMPRESSION_SECTIONS),
);
describeCases(
  "without windows",
  "messages",
  { contextTakeover: false, ...windows },
  withOneOffer([compressionOffers, compressionFrames]),
);
