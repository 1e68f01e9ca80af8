import { CloseCode } from "../codec/close_code.ts";
import { parsePosition, type Position } from "./position.ts";
import { RememberedTopics } from "./remembered_topics.ts";
import { type ControlMessage, encodeResumeRequest } from "./subprotocol.ts";

/** The codes with which a server refuses a resume request. */
const REFUSALS: ReadonlySet<number> = new Set([
  CloseCode.ProtocolError,
  CloseCode.UnsupportedData,
  CloseCode.InvalidFramePayloadData,
  CloseCode.PolicyViolation,
  CloseCode.MessageTooBig,
  CloseCode.InternalError,
]);

/** So many connections in a row that end before the request is answered are a refusal, with any code. */
const MAX_UNANSWERED = 5;

/** The session of a client and its positions, over connections that follow one another. */
export class ResumeState {
  readonly #onLost: (topic: string) => void;
  readonly #topics: RememberedTopics;
  #session: string | undefined;
  /** Whether the last resume request named a session or positions. */
  #isReturning = false;
  /** The same, until the server answers it. */
  #isUnanswered = false;
  /** How many connections in a row have ended before the answer. */
  #unanswered = 0;
  /** The topics with lost messages, until the program may be told; `undefined` from then on. */
  #untold: string[] | undefined;
  /** Drops the messages of the connection before that the program has not taken. */
  #leave: () => void = () => {};

  /** @param onLost Is told of a topic of which messages were lost, or may be. */
  constructor(onLost: (topic: string) => void) {
    this.#onLost = onLost;
    this.#topics = new RememberedTopics((topic) => this.#lose(topic));
  }

  /**
   * Begins a connection, and gives its resume request.
   *
   * @param leave Is called when the next connection begins: it brings again what this one has not delivered.
   */
  begin(leave: () => void): string {
    this.#leave();
    this.#leave = leave;
    this.tellLost();
    this.#untold = [];
    this.#topics.begin();
    const positions = this.#topics.positions();
    this.#isReturning = this.#isUnanswered = this.#session !== undefined || positions.size > 0;
    return encodeResumeRequest(this.#session, positions);
  }

  /** Whether the current connection told the server of an earlier one. */
  get isReturning(): boolean {
    return this.#isReturning;
  }

  /**
   * Ends a connection. If the server refused the resume request, it would refuse it again: then the client
   * begins afresh, and its topics are lost.
   *
   * @param closeCode The status code with which the connection ended.
   * @param isPeers Whether the server ended it.
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

  /** Tells the program of the lost topics so far, and of others at once: it has the current connection. */
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

  /** Takes a control message of the server. */
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
