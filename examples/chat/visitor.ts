import { CloseCode, type ServerConnection } from "../../mod.ts";
import type { Person, ServerMessage } from "./messages.ts";
import { Pacer } from "./pacer.ts";

/** The part of a visitor that its URL determines. */
export interface VisitorData {
  room: string;
}

/** One open page: its connection and its state. */
export class Visitor {
  readonly conn: ServerConnection<VisitorData>;
  /** The id of the person, once there is one. */
  readonly id: string = crypto.randomUUID();
  /** Eight messages at once, then four a second. */
  readonly pacer: Pacer = new Pacer(8, 250);
  /** The person; `undefined` before a name was chosen. */
  person: Person | undefined;
  /** The last round-trip time in milliseconds, or null before the first Pong. */
  roundTripMs: number | null = null;
  /** The list of rooms that was sent last, as JSON. */
  knownRooms = "";
  #isPinging = false;

  constructor(conn: ServerConnection<VisitorData>) {
    this.conn = conn;
  }

  /** The room it is in. */
  get room(): string {
    return this.conn.data.room;
  }

  /**
   * Sends a message that must not be lost to this visitor. `trySend` never waits, so a slow reader delays
   * no one else. If its queue is full, the connection is closed, as for a slow consumer of a topic; its page
   * reconnects, and gets the history.
   */
  send(message: ServerMessage): void {
    if (this.conn.trySend(JSON.stringify(message)) !== "dropped") return;
    this.conn.close({ closeCode: CloseCode.TryAgainLater, reason: "You read too slowly" });
  }

  /** Sends a message that may be lost: it is dropped if the reader does not keep up. */
  sendIfIdle(message: ServerMessage): boolean {
    if (this.conn.bufferedAmount > 0) return false;
    return this.conn.trySend(JSON.stringify(message)) === "sent";
  }

  /**
   * Measures the round-trip time with a Ping. Browsers answer it by themselves, even in a sleeping tab, so it
   * is the time of the network and the server, not of the page's code.
   */
  async measure(): Promise<void> {
    if (this.#isPinging) return;
    this.#isPinging = true;
    try {
      this.roundTripMs = await this.conn.ping();
    } catch {
      // The connection ended before the Pong: the time is no longer needed.
    } finally {
      this.#isPinging = false;
    }
  }
}
