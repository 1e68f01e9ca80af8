/**
 * How a connection ends: RFC 6455, section 7, as one table. No other class keeps a flag about it.
 *
 * ## Theory of operation
 *
 * A connection is in one of the states of {@linkcode TABLE}, and a {@linkcode ClosingEvent} happens to it. The
 * table says, for each state and event, which state is next, and which actions are taken in it, in this order.
 * An event that a state does not list changes nothing. An action may cause another event, which is dealt with
 * at once, before the actions behind it. `closing.ts` tells of the events, and its `ACTIONS` say what the actions do.
 *
 * ```text
 *         peer's Close                   handled, close()           finished
 *       +------------> close-received ------------------> answering -------+
 *       |                                                                  |    FIN            FIN sent
 * open -+                                                                  +-> handshake-done -> ending -> ended
 *       |                                               peer's Close       |
 *       +------------> finishing ------> close-sent -----------------------+
 *         close()               finished
 * ```
 *
 * and from everywhere to `closed`, when TCP is. Three rules explain most of the table:
 *
 * 1. **The peer's end waits for the program.** A Close frame, an error or a FIN of the peer ends receiving at
 *    once, but is answered when the messages before it have been handled, so that their answers go out first.
 *    Until then (`close-received`, `failed`, `input-ended`) the program may send. If it has no message in hand,
 *    `handled` follows at once; `close()`, or the return of the handler, says that there is nothing to wait for.
 * 2. **This side's Close frame goes behind all that was accepted** (`finishing`, `answering`, `crossing`): a
 *    message that is being sent as a stream, the messages behind it, and published ones that wait for a slow
 *    peer. `finished` says that none of them waits. `cut` gives them up.
 * 3. **The server closes TCP first** (section 7.1.1): a client whose closing handshake is done waits for the
 *    server's FIN. At all other ends either side sends FIN itself (`ending`), behind the output.
 *
 * The deadline, `closeTimeoutMs`, is started on leaving `open`, and once more when the peer's end has been
 * answered: first the program has its time, then the peer. Nothing else extends it.
 *
 * For example, the peer sends a Close frame with 1000 while the handler, which has a message in hand, sends
 * another one as a stream. `closeReceived` leads to `close-received`: the deadline starts, `conn.signal` aborts,
 * and sending goes on. The handler returns: by `closeCalled` to `answering`, in which nothing more is accepted,
 * and the stream still goes on. Its last fragment is sent: by `finished` to `handshake-done`: the Close frame is
 * answered, and the deadline starts again. A server sends FIN then (`ending`, `ended`), a client waits for the
 * server's. TCP is closed: by `channelClosed` to `closed`, and `conn.closed` resolves. If the deadline passes in
 * `close-received` or `answering`, the stream is broken off, and the answer sent at once. With a code that says
 * that nobody reads the rest, such as 1001, the stream is broken off when the Close frame comes (`giveUpStream`).
 *
 * @module
 */

import type { ClosingAction } from "./closing.ts";

/** How far a connection has ended: see {@linkcode TABLE}. */
export type ClosingState =
  | "open"
  | "close-received"
  | "unread"
  | "failed"
  | "input-ended"
  | "finishing"
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
  | "finished"
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

type Transition = readonly [next: ClosingState, ...actions: ClosingAction[]];

/** A state. All have the same shape, as each message looks into one. */
interface State {
  /** Whether messages of the program are accepted. */
  readonly accepts: boolean;
  /** Whether messages that were accepted before may wait to be sent: `finished` comes when none does. */
  readonly finishes: boolean;
  /** Whether the program may still be given what was received. */
  readonly handles: boolean;
  readonly on: { readonly [E in ClosingEvent]?: Transition };
}

/** In all states but `closed`. */
const GONE = {
  abort: ["closed", "stopDeadline", "abortChannel", "release"],
  channelClosed: ["closed", "stopDeadline", "release"],
} as const satisfies State["on"];

function state(holds: ("accepts" | "finishes" | "handles")[], on: State["on"]): State {
  return {
    accepts: holds.includes("accepts"),
    finishes: holds.includes("finishes"),
    handles: holds.includes("handles"),
    on: { ...GONE, ...on },
  };
}

/** The peer did not close in time. */
const GIVEN_UP = { deadline: GONE.abort } as const satisfies State["on"];

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
const ANSWER = ["sendClose", "startDeadline", "endIfFirst"] as const;

/** What ends receiving in `open`, after what is done for each of them. */
const RECEIVED = ["startDeadline", "answerIfHandled", "abortSignal"] as const;

/** The states, and what happens in them. */
export const TABLE: Readonly<Record<ClosingState, State>> = {
  /** Frames go both ways. */
  "open": state(["accepts", "handles"], {
    closeReceived: ["close-received", "failArriving", "giveUpStream", ...RECEIVED],
    errorReceived: ["failed", "failArriving", ...RECEIVED],
    endReceived: ["input-ended", "endProtocol", "failArriving", ...RECEIVED],
    closeCalled: [
      "finishing",
      "dropInbound",
      "failWritable",
      "startDeadline",
      "finishOutbound",
      "readOn",
      "abortSignal",
    ],
  }),

  // ---- The peer has ended, and the program handles what came before ----

  /** The peer's Close frame was received. Its answer waits for the program. */
  "close-received": state(["accepts", "handles"], {
    handled: ["answering", "endInbound", "finishOutbound", "readOn"],
    closeCalled: ["answering", "dropUnhandled", "endInbound", "finishOutbound", "readOn"],
    cut: ["unread", "cutOutbound"],
    deadline: ["handshake-done", "endInbound", "cutOutbound", ...ANSWER, "readOn"],
  }),
  /** The same, but nobody reads what is sent: callbacks still get what came before. */
  "unread": state(["handles"], {
    handled: ["handshake-done", "endInbound", ...ANSWER, "readOn"],
    closeCalled: ["handshake-done", "dropUnhandled", "endInbound", ...ANSWER, "readOn"],
    deadline: ["handshake-done", "endInbound", ...ANSWER, "readOn"],
  }),
  /** The peer broke the protocol, or passed a limit. */
  "failed": state(["accepts", "handles"], {
    handled: ["ending", ...FAIL],
    closeCalled: ["ending", "dropUnhandled", ...FAIL],
    deadline: ["ending", ...FAIL],
  }),
  /** The peer's FIN was received, without a Close frame. */
  "input-ended": state(["accepts", "handles"], {
    handled: ["ending", ...END],
    closeCalled: ["ending", "dropUnhandled", ...END],
    deadline: ["ending", ...END],
  }),

  // ---- This side has closed ----

  /** The program has closed. The Close frame waits for what was accepted before. */
  "finishing": state(["finishes"], {
    ...GIVEN_UP,
    finished: ["close-sent", "sendClose"],
    cut: ["close-sent", "cutOutbound", "sendClose"],
    closeReceived: ["crossing", "giveUpStream", "readOn"],
    errorReceived: ["ending", "cutOutbound", "sendClose", "failProtocol", "endOutput", "readOn"],
    endReceived: ["ending", "endProtocol", "cutOutbound", "sendClose", "endOutput", "readOn"],
  }),
  /** This side's Close frame was sent first. Messages of the peer are dropped until its own comes. */
  "close-sent": state([], {
    ...GIVEN_UP,
    closeReceived: ["handshake-done", "endIfFirst", "readOn"],
    errorReceived: ["ending", "failProtocol", "endOutput", "readOn"],
    endReceived: ["ending", "endProtocol", "endOutput", "readOn"],
  }),

  // ---- Both have closed ----

  /** The peer's Close frame is being answered: the answer waits for what was accepted before. */
  "answering": state(["finishes"], {
    closeCalled: ["answering", "dropUnhandled"],
    finished: ["handshake-done", ...ANSWER],
    cut: ["handshake-done", "cutOutbound", ...ANSWER],
    deadline: ["handshake-done", "cutOutbound", ...ANSWER],
  }),
  /** The peer's Close frame was received while this side's waits: they cross. */
  "crossing": state(["finishes"], {
    ...GIVEN_UP,
    finished: ["handshake-done", "sendClose", "endIfFirst"],
    cut: ["handshake-done", "cutOutbound", "sendClose", "endIfFirst"],
  }),
  /** Both Close frames have passed (section 7.1.4). */
  "handshake-done": state([], {
    ...GIVEN_UP,
    closeCalled: ["handshake-done", "dropUnhandled"],
    firstToEnd: ["ending", "endOutput"],
    endReceived: ["ending", "endOutput"],
  }),

  // ---- TCP is being closed ----

  /** FIN is due, behind the output. */
  "ending": state([], {
    ...GIVEN_UP,
    closeCalled: ["ending", "dropUnhandled"],
    written: ["ended", "endChannel"],
  }),
  /** FIN was sent. */
  "ended": state([], { ...GIVEN_UP, closeCalled: ["ended", "dropUnhandled"] }),
  /** TCP is closed. */
  "closed": { accepts: false, finishes: false, handles: false, on: {} },
};
