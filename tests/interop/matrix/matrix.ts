/**
 * Registers the tests of a cell: a peer, on the runtime that the test runs on.
 *
 * @module
 */

import { after, before, describe, it } from "node:test";
import { assert, assertMatch } from "@std/assert";
import type { Connection } from "../../../mod.ts";
import { type PeerRow, peerRow, type Role } from "./peers.ts";
import { type Outcome, writeRecord } from "./record.ts";
import { askVersion, type Kind, type Scenario, SCENARIOS } from "./scenarios.ts";

/** Only decides how soon a hang is seen. Less than that of the tests, so that what is left is closed. */
const DEADLINE_MS = 50_000;
const TIMEOUT_MS = 60_000;

/** How a peer of a row is reached. */
export interface Reach {
  /** Gives a connection to it that nobody has used yet. */
  connect(kind: Kind): Promise<Connection>;
  /** Gives the version, where the peer is not to be asked. */
  version?(): Promise<string> | string;
}

/** Registers a test for each scenario that the peer is able to. */
export function testCell(
  role: Role,
  name: string,
  skip: false | string,
  start: () => Promise<Reach> | Reach,
  stop: () => Promise<void> | void = () => {},
): void {
  const peer = peerRow(role, name);
  describe(`${role}: ${name}`, () => {
    const outcomes: Record<string, Outcome> = {};
    const connections: Connection[] = [];
    let reach: Reach | undefined;
    let version = "";

    const connect = async (kind: Kind = "plain") => {
      const conn = await reach!.connect(kind);
      connections.push(conn);
      return conn;
    };
    const cell = { abilities: peer.abilities, connect };

    before(async () => {
      if (skip) return;
      reach = await start();
    });
    after(async () => {
      writeRecord(peer, version, outcomes);
      await stop();
    });

    it("tells its version", { skip, timeout: TIMEOUT_MS }, async () => {
      const told = await (reach!.version?.() ?? askVersion(cell));
      assertMatch(told, /^\d+\.\d+/);
      // libwebsockets says more than its number.
      version = /^[\d.]+/.exec(told)![0];
    });

    for (const scenario of SCENARIOS) {
      const { name, needs } = scenario;
      if (needs !== undefined && !peer.abilities.has(needs)) continue;
      outcomes[name] = skip ? "skipped" : "failed";
      it(name, { skip, timeout: TIMEOUT_MS }, async () => {
        try {
          outcomes[name] = await play(peer, scenario, () => within(scenario.run(cell)));
        } finally {
          // What a failure left open must not be what the next scenario is given.
          for (const conn of connections.splice(0)) conn.abort();
        }
      });
    }
  });
}

async function within(run: Promise<void>): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("It takes too long")), DEADLINE_MS);
  await Promise.race([run, promise]).finally(() => clearTimeout(timer));
}

async function play(
  peer: PeerRow,
  { name }: Scenario,
  run: () => Promise<void>,
): Promise<Outcome> {
  const known = peer.bugs.find(({ scenario }) => scenario === name);
  if (known === undefined) {
    await run();
    return "passed";
  }
  if (known.failure !== undefined) {
    const error = await run().then(() => undefined, (error: unknown) => error);
    if (error === undefined && known.isSometimes) return "known bug";
    assert(error instanceof Error, `${peer.name} has no such bug any more: ${known.bug}`);
    assertMatch(error.message, known.failure);
  }
  return "known bug";
}
