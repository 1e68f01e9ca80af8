import { CloseCode, type Connection } from "../../mod.ts";
import type { Person, ServerMessage } from "./messages.ts";
import { Pacer } from "./pacer.ts";

/** One open page: its connection, and what the room knows of it. */
export class Visitor {
  readonly conn: Connection;
  /** Eight messages at once, then four a second. */
  readonly pacer: Pacer = new Pacer(8, 250);
  /** Who it is; nobody before a name was chosen. */
  person: Person | undefined;
  /** How long the last Ping took, or null before the first Pong. */
  roundTripMs: number | null = null;
  #isPinging = false;

  constructor(conn: Connection) {
    this.conn = conn;
  }

  /** Sends a message that must not be missed. */
  send(message: ServerMessage): void {
    this.sendJson(JSON.stringify(message));
  }

  /**
   * Sends such a message to one of many: `trySend` never waits, so nobody waits for a slow reader.
   * One whose queue is full is sent away. Its page comes back, and starts over with the history.
   */
  sendJson(json: string): void {
    if (this.conn.trySend(json) !== "dropped") return;
    this.conn.close({ closeCode: CloseCode.TryAgainLater, reason: "You read too slowly" });
  }

  /** Sends a message that may be missed: only a reader that keeps up gets it. */
  sendIfIdle(message: ServerMessage): void {
    if (this.conn.bufferedAmount === 0) this.conn.trySend(JSON.stringify(message));
  }

  /**
   * Measures the round-trip time with a Ping. Browsers answer it by themselves, also in a tab that
   * sleeps, so it is the time of the network and the server, not of the page's code.
   */
  async measure(): Promise<void> {
    if (this.#isPinging) return;
    this.#isPinging = true;
    try {
      this.roundTripMs = await this.conn.ping();
    } catch {
      // The connection ended before the Pong came: there is nobody left to tell.
    } finally {
      this.#isPinging = false;
    }
  }
}
