/**
 * Writes down what happens on a server, so that a test can say at the end that all of it is over, and
 * that everybody was told the same.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import type { CloseInfo, Connection, ServerEvent, ServerStats } from "../../../src/server/mod.ts";
import type { Setup } from "../../support/transports.ts";
import { watch, type Watched } from "../../support/watch.ts";

/** The life of one connection. */
export class Entry {
  readonly conn: Connection;
  readonly closed: Watched<CloseInfo>;
  /** The callbacks that were called, in order. */
  readonly calls: string[] = [];
  /** What the callback `close` was given. */
  readonly ends: CloseInfo[] = [];
  /** What the event `close` told. */
  readonly told: CloseInfo[] = [];

  constructor(conn: Connection) {
    this.conn = conn;
    this.closed = watch(conn.closed);
  }
}

/** All connections of a server, and all promises of its program. */
export class Ledger {
  readonly entries: Map<Connection, Entry> = new Map();
  readonly #promises: { what: string; promise: Watched<unknown> }[] = [];
  #hasCloseCallback = false;
  readonly #eventsAct: boolean;

  /**
   * Begins with nothing.
   *
   * @param eventsAct Whether `onEvent` may drop connections.
   */
  constructor(eventsAct = false) {
    this.#eventsAct = eventsAct;
  }

  /** Notes a promise that must be settled when all is over, and gives it back. */
  track<T>(what: string, promise: Promise<T>): Promise<T> {
    this.#promises.push({ what, promise: watch(promise) });
    return promise;
  }

  /** The promises that are not settled, by what they are of. */
  get pending(): string[] {
    return this.#promises.filter(({ promise }) => promise.state === "pending")
      .map(({ what }) => what);
  }

  /** How the connections ended, in the order in which they were opened. */
  get ends(): (CloseInfo | undefined)[] {
    return Array.from(this.entries.values(), ({ closed }) => closed.value);
  }

  /** The only connection there was. */
  get only(): Entry {
    assertEquals(this.entries.size, 1, "connections");
    return [...this.entries.values()][0];
  }

  /** Gives a setup whose events and callbacks are written down before they happen. */
  watch<Data>(setup: Setup<Data>): Setup<Data> {
    const { open, message, drain, close, onEvent } = setup;
    const note = (conn: Connection<Data>, name: string) => this.#entry(conn).calls.push(name);
    const watched: Setup<Data> = {
      ...setup,
      onEvent: (event) => {
        this.#note(event as ServerEvent);
        onEvent?.(event);
      },
    };
    const hasCallbacks = (open ?? message ?? drain ?? close) !== undefined;
    if (!hasCallbacks) return watched;
    this.#hasCloseCallback = true;
    return {
      ...watched,
      open: (conn) => {
        note(conn, "open");
        return open?.(conn);
      },
      message: (conn, data) => {
        note(conn, "message");
        return message?.(conn, data);
      },
      drain: (conn) => {
        note(conn, "drain");
        return drain?.(conn);
      },
      close: (conn, info) => {
        note(conn, "close");
        this.#entry(conn).ends.push(info);
        return close?.(conn, info);
      },
    };
  }

  /** Checks that everything is over: nothing pends, and everybody was told the same, once. */
  check(server: { stats(): ServerStats }): void {
    assertEquals(this.pending, [], "promises pend");
    for (const entry of this.entries.values()) this.#checkEntry(entry);
    const { connections, handshakes, accepted, closed, ...sums } = server.stats();
    assertEquals({ connections, handshakes, accepted }, {
      connections: 0,
      handshakes: 0,
      accepted: this.entries.size,
    });
    assertEquals(closed, countCodes(this.ends.map((end) => end!.closeCode)));
    const all = [...this.entries.keys()].map((conn) => conn.stats());
    for (
      const name of ["bytesReceived", "bytesSent", "messagesReceived", "messagesSent"] as const
    ) {
      assertEquals(sums[name], all.reduce((sum, stats) => sum + stats[name], 0), name);
    }
  }

  #checkEntry({ conn, closed, calls, ends, told }: Entry): void {
    const info = closed.value;
    assert(info !== undefined, "a connection did not end");
    assertEquals(told, [info], "the event tells something else");
    assertEquals([conn.state, conn.bufferedAmount], ["closed", 0]);
    if (!this.#hasCloseCallback) return;
    assertEquals(ends, [info], "the callback tells something else");
    // The event may send so much that drain is called, or drop the connection: it is not opened then.
    const first = this.#eventsAct ? calls.findIndex((name) => name !== "drain") : 0;
    const hasOpened = !this.#eventsAct || calls[first] === "open";
    const others = calls.slice(first + (hasOpened ? 1 : 0), -1);
    assertEquals(
      calls.slice(first),
      [...hasOpened ? ["open"] : [], ...others, "close"],
      "calls out of order",
    );
    assert(!others.includes("open") && !others.includes("close"), "called twice");
  }

  #note(event: ServerEvent): void {
    if (event.type === "open") this.entries.set(event.conn, new Entry(event.conn));
    else if (event.type === "close") this.#entry(event.conn).told.push(event.info);
  }

  #entry<Data>(conn: Connection<Data>): Entry {
    const entry = this.entries.get(conn as Connection);
    assert(entry !== undefined, "a connection that was not told of");
    return entry;
  }
}

function countCodes(codes: number[]): Record<number, number> {
  const counts: Record<number, number> = {};
  for (const code of codes) counts[code] = (counts[code] ?? 0) + 1;
  return counts;
}
