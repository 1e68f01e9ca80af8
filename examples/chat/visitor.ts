import { CloseCode, type ServerConnection } from "../../mod.ts";
import type { Person, ServerMessage } from "./messages.ts";
import { Pacer } from "./pacer.ts";

/** What is known of a visitor from the address on. */
export interface VisitorData {
  room: string;
}

/** One open page: its connection, and what the server knows of it. */
export class Visitor {
  readonly conn: ServerConnection<VisitorData>;
  /** The id of the person it may become. */
  readonly id: string = crypto.randomUUID();
  /** Eight messages at once, then four a second. */
  readonly pacer: Pacer = new Pacer(8, 250);
  /** Who it is; nobody before a name was chosen. */
  person: Person | undefined;
  /** How long the last Ping took, or null before the first Pong. */
  roundTripMs: number | null = null;
  /** The rooms as it was told of them last, as JSON. */
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
   * Sends a message to this visitor alone, which must not be missed: `trySend` never waits, so nobody
   * waits for a slow reader. One whose queue is full is sent away, as one that is too slow for what is
   * published. Its page comes back, and starts over with the history.
   */
  send(message: ServerMessage): void {
    if (this.conn.trySend(JSON.stringify(message)) !== "dropped") return;
    this.conn.close({ closeCode: CloseCode.TryAgainLater, reason: "You read too slowly" });
  }

  /** Sends a message that may be missed: only a reader that keeps up gets it. */
  sendIfIdle(message: ServerMessage): boolean {
    if (this.conn.bufferedAmount > 0) return false;
    return this.conn.trySend(JSON.stringify(message)) === "sent";
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
