/**
 * How a connection ends: RFC 6455, section 7, as one table. No other class keeps a flag about it.
 *
 * ## Theory of operation
 *
 * A connection is in one of the states of {@linkcode TABLE}, and a {@linkcode ClosingEvent} happens to it. The
 * table says, for each state and event, which state is next, and which actions are taken in it, in this order.
 * An event that a state does not list changes nothing. An action may cause another event, which is dealt with
 * at once, before the actions behind it. `ending.ts` tells of the events, and has the actions.
 *
 * ```text
 *         peer's Close                   handled, close()           flushed
 *       +------------> close-received ------------------> answering -------+
 *       |                                                                  |    FIN            FIN sent
 * open -+                                                                  +-> handshake-done -> ending -> ended
 *       |                                               peer's Close       |
 *       +------------> flushing -------> close-sent -----------------------+
 *         close()               flushed
 * ```
 *
 * and from everywhere to `closed`, when TCP is. Three rules explain most of the table:
 *
 * 1. **The peer's end waits for the program.** A Close frame, an error or a FIN of the peer ends receiving at
 *    once, but is answered when the messages before it have been handled, so that their answers go out first.
 *    Until then (`close-received`, `failed`, `input-ended`) the program may send. If it has no message in hand,
 *    `handled` follows at once; `close()`, or the return of the handler, says that there is nothing to wait for.
 * 2. **This side's Close frame goes behind all that was accepted** (`flushing`, `answering`, `crossing`): a
 *    message that is being sent as a stream, the messages behind it, and published ones that wait for a slow
 *    peer. `flushed` says that none of them waits. `cut` gives them up.
 * 3. **The server closes TCP first** (section 7.1.1): a client whose closing handshake is done waits for the
 *    server's FIN. At all other ends either side sends FIN itself (`ending`), behind the output.
 *
 * The deadline, `closeTimeoutMs`, is started on leaving `open`, and once more when the peer's end has been
 * answered: first the program has its time, then the peer. Nothing else extends it.
 *
 * For example, the peer sends a Close frame with 1000 while the handler, which has a message in hand, sends
 * another one as a stream. `closeReceived` leads to `close-received`: the deadline starts, `conn.signal` aborts,
 * and sending goes on. The handler returns: by `closeCalled` to `answering`, in which nothing more is accepted,
 * and the stream still goes on. Its last fragment is sent: by `flushed` to `handshake-done`: the Close frame is
 * answered, and the deadline starts again. A server sends FIN then (`ending`, `ended`), a client waits for the
 * server's. TCP is closed: by `channelClosed` to `closed`, and `conn.closed` resolves. If the deadline passes in
 * `close-received` or `answering`, the stream is broken off, and the answer sent at once. With a code that says
 * that nobody reads the rest, such as 1001, the stream is broken off when the Close frame comes (`giveUpStream`).
 *
 * @module
 */

import type { ConnectionSettings } from "./settings.ts";

/** How far a connection has ended: see {@linkcode TABLE}. */
export type ClosingState =
  | "open"
  | "close-received"
  | "unread"
  | "failed"
  | "input-ended"
  | "flushing"
  | "close-sent"
  | "answering"
  | "crossing"
  | "handshake-done"
  | "ending"
  | "ended"
  | "closed";

/** What happens to a connection. */
export type ClosingEvent =
  /** The peer's Close frame was received (section 5.5.1). */
  | "closeReceived"
  /** The peer broke the protocol, or passed a limit: the connection fails (section 7.1.7). */
  | "errorReceived"
  /** The peer's FIN was received. */
  | "endReceived"
  /** The program has handled all that was received, or nobody is going to. */
  | "handled"
  /** The program closes: by `close()`, by its handler's return, or as it failed. */
  | "closeCalled"
  /** What waits to be sent is given up. */
  | "cut"
  /** Nothing that was accepted waits any more. */
  | "flushed"
  /** It is this side that has to send FIN first: it is a server. */
  | "firstToEnd"
  /** The channel has been given all output, and takes FIN. */
  | "written"
  /** `closeTimeoutMs` has passed. */
  | "deadline"
  /** The connection is to be gone at once. */
  | "abort"
  /** The channel is gone. */
  | "channelClosed";

/** What is done, besides going to the next state. */
export interface ClosingActions {
  /** Sends what was published to the connection: called before it accepts no more, whatever comes then. */
  sendPublished(): void;
  /** Errors the message that is arriving as a stream: its rest won't come. */
  failArriving(): void;
  /** Drops all messages that were received, or will be: the program has closed. */
  dropInbound(): void;
  /** Drops the messages that wait for callbacks, if there are callbacks. */
  dropUnhandled(): void;
  /** Ends the receive queue: behind what is in it comes nothing. */
  endInbound(): void;
  /** Takes no more frames: the peer's FIN came without a Close frame (section 7.1.5: 1006). */
  endProtocol(): void;
  /** Reads on, what comes being dropped: the peer's Close frame and FIN are not to wait for room. */
  readOn(): void;
  /** Says `cut` if the peer's Close frame says that nobody reads the message that is being sent as a stream. */
  giveUpStream(): void;
  /** Says `handled` if the program has handled all that was received, or nobody is going to. */
  answerIfHandled(): void;
  /** Errors `conn.writable`. */
  failWritable(): void;
  /** Waits until nothing accepted waits any more, maybe not at all: then comes `flushed`. */
  finishOutbound(): void;
  /** Has the connection end with the error's code and reason, if it has no other yet. */
  takeError(): void;
  /** Gives up what waits to be sent: a message that is being sent as a stream, and all behind it. */
  cutOutbound(): void;
  /** Sends this side's Close frame: the status it closes with, or the peer's code (section 5.5.1). */
  sendClose(): void;
  /** Sends the error's Close frame, if none was sent (section 7.1.7). */
  failProtocol(): void;
  /** Has FIN sent by who is to send it: `firstToEnd` on a server, while a client waits for `endReceived`. */
  endInTurn(): void;
  /** Writes the output, behind which FIN comes: `written`. */
  endOutput(): void;
  /** Sends FIN. */
  endChannel(): void;
  /** Aborts `conn.signal`: last, since the program's listeners may do anything. */
  abortSignal(): void;
  /** Drops the channel. */
  abortChannel(): void;
  /** Gives back all that the connection holds, and tells the program that it has ended. */
  release(): void;
}

type Action = Exclude<keyof ClosingActions, "sendPublished"> | "startDeadline" | "stopDeadline";

type Transition = readonly [next: ClosingState, ...actions: Action[]];

interface Row {
  /** Whether messages of the program are accepted. Default: no. */
  readonly accepts?: boolean;
  /** Whether messages that were accepted before may wait to be sent: `flushed` comes when none does. */
  readonly flushes?: boolean;
  /** Whether the program may still be given what was received. */
  readonly handles?: boolean;
  readonly on: { readonly [E in ClosingEvent]?: Transition };
}

/** In all states but `closed`. */
const GONE = {
  abort: ["closed", "stopDeadline", "abortChannel", "release"],
  channelClosed: ["closed", "stopDeadline", "release"],
} as const satisfies Row["on"];

/** The peer did not close in time. */
const GIVEN_UP = { deadline: GONE.abort } as const satisfies Row["on"];

/** How the peer's end is answered when there is no Close frame to wait with. */
const FAIL = [
  "takeError",
  "endInbound",
  "cutOutbound",
  "failProtocol",
  "startDeadline",
  "endOutput",
  "readOn",
] as const;
const END = ["endInbound", "cutOutbound", "startDeadline", "endOutput", "readOn"] as const;
const ANSWER = ["sendClose", "startDeadline", "endInTurn"] as const;

/** What ends receiving in `open`, after what is done for each of them. */
const RECEIVED = ["startDeadline", "answerIfHandled", "abortSignal"] as const;

/** The states, and what happens in them. */
export const TABLE: Readonly<Record<ClosingState, Row>> = {
  /** Frames go both ways. */
  "open": {
    accepts: true,
    handles: true,
    on: {
      ...GONE,
      closeReceived: ["close-received", "failArriving", "giveUpStream", ...RECEIVED],
      errorReceived: ["failed", "failArriving", ...RECEIVED],
      endReceived: ["input-ended", "endProtocol", "failArriving", ...RECEIVED],
      closeCalled: [
        "flushing",
        "dropInbound",
        "failWritable",
        "startDeadline",
        "finishOutbound",
        "readOn",
        "abortSignal",
      ],
    },
  },

  // ---- The peer has ended, and the program handles what came before ----

  /** The peer's Close frame was received. Its answer waits for the program. */
  "close-received": {
    accepts: true,
    handles: true,
    on: {
      ...GONE,
      handled: ["answering", "endInbound", "finishOutbound", "readOn"],
      closeCalled: ["answering", "dropUnhandled", "endInbound", "finishOutbound", "readOn"],
      cut: ["unread", "cutOutbound"],
      deadline: ["handshake-done", "endInbound", "cutOutbound", ...ANSWER, "readOn"],
    },
  },
  /** The same, but nobody reads what is sent: callbacks still get what came before. */
  "unread": {
    handles: true,
    on: {
      ...GONE,
      handled: ["handshake-done", "endInbound", ...ANSWER, "readOn"],
      closeCalled: ["handshake-done", "dropUnhandled", "endInbound", ...ANSWER, "readOn"],
      deadline: ["handshake-done", "endInbound", ...ANSWER, "readOn"],
    },
  },
  /** The peer broke the protocol, or passed a limit. */
  "failed": {
    accepts: true,
    handles: true,
    on: {
      ...GONE,
      handled: ["ending", ...FAIL],
      closeCalled: ["ending", "dropUnhandled", ...FAIL],
      deadline: ["ending", ...FAIL],
    },
  },
  /** The peer's FIN was received, without a Close frame. */
  "input-ended": {
    accepts: true,
    handles: true,
    on: {
      ...GONE,
      handled: ["ending", ...END],
      closeCalled: ["ending", "dropUnhandled", ...END],
      deadline: ["ending", ...END],
    },
  },

  // ---- This side has closed ----

  /** The program has closed. The Close frame waits for what was accepted before. */
  "flushing": {
    flushes: true,
    on: {
      ...GONE,
      ...GIVEN_UP,
      flushed: ["close-sent", "sendClose"],
      cut: ["close-sent", "cutOutbound", "sendClose"],
      closeReceived: ["crossing", "giveUpStream", "readOn"],
      errorReceived: ["ending", "cutOutbound", "sendClose", "failProtocol", "endOutput", "readOn"],
      endReceived: ["ending", "endProtocol", "cutOutbound", "sendClose", "endOutput", "readOn"],
    },
  },
  /** This side's Close frame was sent first. Messages of the peer are dropped until its own comes. */
  "close-sent": {
    on: {
      ...GONE,
      ...GIVEN_UP,
      closeReceived: ["handshake-done", "endInTurn", "readOn"],
      errorReceived: ["ending", "failProtocol", "endOutput", "readOn"],
      endReceived: ["ending", "endProtocol", "endOutput", "readOn"],
    },
  },

  // ---- Both have closed ----

  /** The peer's Close frame is being answered: the answer waits for what was accepted before. */
  "answering": {
    flushes: true,
    on: {
      ...GONE,
      closeCalled: ["answering", "dropUnhandled"],
      flushed: ["handshake-done", ...ANSWER],
      cut: ["handshake-done", "cutOutbound", ...ANSWER],
      deadline: ["handshake-done", "cutOutbound", ...ANSWER],
    },
  },
  /** The peer's Close frame was received while this side's waits: they cross. */
  "crossing": {
    flushes: true,
    on: {
      ...GONE,
      ...GIVEN_UP,
      flushed: ["handshake-done", "sendClose", "endInTurn"],
      cut: ["handshake-done", "cutOutbound", "sendClose", "endInTurn"],
    },
  },
  /** Both Close frames have passed (section 7.1.4). */
  "handshake-done": {
    on: {
      ...GONE,
      ...GIVEN_UP,
      closeCalled: ["handshake-done", "dropUnhandled"],
      firstToEnd: ["ending", "endOutput"],
      endReceived: ["ending", "endOutput"],
    },
  },

  // ---- TCP is being closed ----

  /** FIN is due, behind the output. */
  "ending": {
    on: {
      ...GONE,
      ...GIVEN_UP,
      closeCalled: ["ending", "dropUnhandled"],
      written: ["ended", "endChannel"],
    },
  },
  /** FIN was sent. */
  "ended": {
    on: { ...GONE, ...GIVEN_UP, closeCalled: ["ended", "dropUnhandled"] },
  },
  /** TCP is closed. */
  "closed": { on: {} },
};

/** A row of the table, complete, with its name: all have the same shape, as each message looks into one. */
type State = Required<Row> & { readonly name: ClosingState };

const STATES = Object.fromEntries(
  Object.entries(TABLE).map(([name, { accepts = false, flushes = false, handles = false, on }]) => [
    name,
    { name, accepts, flushes, handles, on },
  ]),
) as { readonly [S in ClosingState]: State };

/** The state of one connection's end. */
export class Closing {
  readonly #actions: ClosingActions;
  readonly #settings: Pick<ConnectionSettings, "clock" | "closeTimeoutMs">;
  #state = STATES.open;
  #deadline: unknown;

  constructor(
    actions: ClosingActions,
    settings: Pick<ConnectionSettings, "clock" | "closeTimeoutMs">,
  ) {
    this.#actions = actions;
    this.#settings = settings;
  }

  /** The state, as programs see it. */
  get state(): "open" | "closing" | "closed" {
    const { name } = this.#state;
    return name === "open" || name === "closed" ? name : "closing";
  }

  /** Whether the connection is gone. */
  get isClosed(): boolean {
    return this.#state === STATES.closed;
  }

  /** Whether messages of the program are accepted. */
  get accepts(): boolean {
    return this.#state.accepts;
  }

  /** Whether nothing more is accepted, and `flushed` is due when none of what was waits any more. */
  get flushes(): boolean {
    return this.#state.flushes;
  }

  /** Whether nothing of the program is sent any more, not even what was accepted before. */
  get isFlushed(): boolean {
    return !this.#state.accepts && !this.#state.flushes;
  }

  /** Whether the program may still be given what was received. */
  get handles(): boolean {
    return this.#state.handles;
  }

  /** Whether the peer has ended, and the answer waits until what came before has been handled. */
  get isAnswerDue(): boolean {
    return this.#state.handles && this.#state !== STATES.open;
  }

  /** Whether the Close frame of this side's own close waits: it may still say something else. */
  get isOwnFlush(): boolean {
    return this.#state === STATES.flushing || this.#state === STATES.crossing;
  }

  /** Whether nobody reads what is sent, while what was received before is still to be handled. */
  get isUnread(): boolean {
    return this.#state === STATES.unread;
  }

  /** Whether FIN is to follow the output. */
  get isEndDue(): boolean {
    return this.#state === STATES.ending;
  }

  /** Goes to the next state, and does what is due in it. */
  handle(event: ClosingEvent): void {
    const next = this.#state.on[event]?.[0];
    if (next === undefined) return;
    // `sendPublished` may close this connection, if its peer is slow: look the transition up again.
    if (this.accepts && next !== "closed" && !STATES[next].accepts) this.#actions.sendPublished();
    const transition = this.#state.on[event];
    if (transition === undefined) return;
    this.#state = STATES[transition[0]];
    for (let i = 1; i < transition.length; i++) this.#act(transition[i] as Action);
  }

  #act(action: Action): void {
    if (action === "startDeadline") this.#startDeadline();
    else if (action === "stopDeadline") this.#settings.clock.clearTimeout(this.#deadline);
    else this.#actions[action]();
  }

  #startDeadline(): void {
    const { clock, closeTimeoutMs } = this.#settings;
    clock.clearTimeout(this.#deadline);
    if (closeTimeoutMs === Infinity) return;
    this.#deadline = clock.setTimeout(() => this.handle("deadline"), closeTimeoutMs);
  }
}
