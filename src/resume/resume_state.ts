import { CloseCode } from "../codec/close_code.ts";
import { parsePosition, type Position } from "./position.ts";
import { RememberedTopics } from "./remembered_topics.ts";
import { encodeHello, type Note } from "./subprotocol.ts";

/** How a server ends a connection whose first message it can't take. */
const REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.ProtocolError,
  CloseCode.UnsupportedData,
  CloseCode.InvalidFramePayloadData,
  CloseCode.PolicyViolation,
  CloseCode.MessageTooBig,
  CloseCode.InternalError,
]);

/** So many connections in a row that end before the hello is answered are a refusal, however they end. */
const MAX_UNANSWERED = 5;

/** What a client remembers of a server over several connections, one after the other. */
export class ResumeState {
  readonly #onLost: (topic: string) => void;
  readonly #topics: RememberedTopics;
  #session: string | undefined;
  /** Whether the server was told something by the last hello. */
  #isReturning = false;
  /** The same, until the server has answered it. */
  #isUnanswered = false;
  /** How many connections have ended like that, since the last one that did not. */
  #unanswered = 0;
  /** The topics of which something was missed, until the program may be told; `undefined` from then on. */
  #untold: string[] | undefined;
  /** Ends what the connection before still has. */
  #leave: () => void = () => {};

  /** @param onLost Is told of a topic of which messages were, or may have been, missed. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
    this.#topics = new RememberedTopics((topic) => this.#lose(topic));
  }

  /**
   * Begins a connection: gives what the client sends first.
   *
   * @param leave Is called when the next one begins: what this one still has will come once more there.
   */
  begin(leave: () => void): string {
    this.#leave();
    this.#leave = leave;
    this.tellLost();
    this.#untold = [];
    this.#topics.begin();
    const positions = this.#topics.positions();
    this.#isReturning = this.#isUnanswered = this.#session !== undefined || positions.size > 0;
    return encodeHello(this.#session, positions);
  }

  /** Whether the connection begun last tells the server of an earlier one. */
  get isReturning(): boolean {
    return this.#isReturning;
  }

  /**
   * Takes how a connection ended. Where the server refused what it was told first, it would refuse it
   * again: the client begins afresh then, and its topics are lost.
   *
   * @param closeCode The status code.
   * @param isPeers Whether it was not this side that ended it.
   * @returns Whether the client begins afresh.
   */
  end(closeCode: number, isPeers: boolean): boolean {
    const isUnanswered = this.#isUnanswered;
    this.#isUnanswered = false;
    if (!isUnanswered || !isPeers) return false;
    this.#unanswered++;
    if (!REFUSALS.has(closeCode) && this.#unanswered < MAX_UNANSWERED) return false;
    this.#unanswered = 0;
    this.#session = undefined;
    this.#topics.forgetPositions();
    return true;
  }

  /**
   * Tells what was missed, as far as it is known, and from now on at once: the program has the connection
   * begun last.
   */
  tellLost(): void {
    const untold = this.#untold;
    this.#untold = undefined;
    for (const topic of untold ?? []) this.#onLost(topic);
  }

  #lose(topic: string): void {
    if (this.#untold === undefined) this.#onLost(topic);
    else this.#untold.push(topic);
  }

  /** Notes that the program has the message of this place. */
  advance(number: number, position: Position): void {
    this.#topics.advance(number, position);
  }

  /** Takes what the server tells of itself. */
  takeNote(note: Note): void {
    if ("session" in note) {
      this.#session = note.session;
      this.#isUnanswered = false;
      this.#unanswered = 0;
    } else if ("topic" in note) {
      const { topic, number, position, isLost } = note;
      const isUnknown = this.#topics.subscribe(topic, number, parsePosition(position));
      if (isLost || isUnknown) this.#lose(topic);
    } else if ("unsubscribed" in note) {
      this.#topics.unsubscribe(note.unsubscribed);
    } else {
      this.#topics.advanceAll(parsePosition(note.progress)!);
    }
  }
}
