import { CloseCode } from "../codec/close_code.ts";
import { parsePosition, type Position } from "./position.ts";
import { RememberedTopics } from "./remembered_topics.ts";
import { type ControlMessage, encodeResumeRequest } from "./subprotocol.ts";

/** The close codes with which a side refuses a message, which would be sent again on the next connection. */
export const MESSAGE_REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.ProtocolError,
  CloseCode.UnsupportedData,
  CloseCode.InvalidFramePayloadData,
  CloseCode.MessageTooBig,
]);

/** The codes with which a server refuses a resume request. */
const REFUSALS = [...MESSAGE_REFUSALS, CloseCode.PolicyViolation, CloseCode.InternalError];

/** After so many unanswered requests in a row, the end of the connection is a refusal, with any code. */
const MAX_UNANSWERED = 5;

/** The session of a client and its positions, over connections that follow one another. */
export class ResumeState {
  readonly #onLost: (topic: string) => void;
  readonly #topics: RememberedTopics;
  #session: string | undefined;
  /** Whether the last resume request had a session or positions. */
  isReturning = false;
  /** The same, until the server answers the request. */
  #isUnanswered = false;
  /** How many connections in a row have ended before the answer. */
  #unanswered = 0;
  /** The topics with lost messages until the program may be told; `undefined` after that. */
  #untold: string[] | undefined;
  /** Drops the messages of the connection before that the program has not taken. */
  #leave: () => void = () => {};

  /** @param onLost Called with a topic of which messages were lost, or may have been. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
    this.#topics = new RememberedTopics((topic) => this.#lose(topic));
  }

  /** Returns a connection's request. `leave` is called when the next one begins, which gets the undelivered again. */
  begin(leave: () => void): string {
    this.#leave();
    this.#leave = leave;
    this.tellLost();
    this.#untold = [];
    this.#topics.begin();
    const positions = this.#topics.positions();
    this.isReturning = this.#isUnanswered = this.#session !== undefined || positions.size > 0;
    return encodeResumeRequest(this.#session, positions);
  }

  /**
   * Ends a connection. If the server refused the resume request, it would refuse it again: then the client starts a
   * new session, and has lost messages of its topics.
   *
   * @param isPeers Whether the server ended it.
   * @returns Whether the client starts a new session.
   */
  end(closeCode: number, isPeers: boolean): boolean {
    const isUnanswered = this.#isUnanswered;
    this.#isUnanswered = false;
    if (!isUnanswered || !isPeers) return false;
    this.#unanswered++;
    if (!REFUSALS.includes(closeCode) && this.#unanswered < MAX_UNANSWERED) return false;
    this.#unanswered = 0;
    this.#session = undefined;
    this.#topics.forgetPositions();
    return true;
  }

  /** Tells the program of topics with lost messages, those so far and later ones at once: it has the connection. */
  tellLost(): void {
    const untold = this.#untold;
    this.#untold = undefined;
    for (const topic of untold ?? []) this.#onLost(topic);
  }

  #lose(topic: string): void {
    if (this.#untold === undefined) this.#onLost(topic);
    else this.#untold.push(topic);
  }

  /** Moves the position in a topic past a message that the program has. */
  advance(number: number, position: Position): void {
    this.#topics.advance(number, position);
  }

  receiveControl(message: ControlMessage): void {
    if ("session" in message) {
      this.#session = message.session;
      this.#isUnanswered = false;
      this.#unanswered = 0;
    } else if ("topic" in message) {
      const { topic, number, position, isLost } = message;
      const isUnknown = this.#topics.subscribe(topic, number, parsePosition(position));
      if (isLost || isUnknown) this.#lose(topic);
    } else if ("unsubscribed" in message) {
      this.#topics.unsubscribe(message.unsubscribed);
    } else {
      this.#topics.advanceAll(parsePosition(message.progress)!);
    }
  }
}
