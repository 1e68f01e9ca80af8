import { CloseCode } from "../codec/close_code.ts";
import { ConnectionClosedError, type ProtocolError } from "../errors.ts";
import { saysAborted } from "../hooks.ts";
import type { CloseStatus } from "../protocol/close_payload.ts";
import type { CloseInfo } from "./connection.ts";

/**
 * Which connection's end an error is about: a callback of one may fail with that of another. Numbers, so that a
 * retained error does not retain its connection.
 */
const idsOfErrors: WeakMap<object, number> = new WeakMap();
let lastId = 0;

/** Why a connection ends, as `closed`, `signal` and the errors of those that wait for it tell. */
export class EndReason {
  readonly #id: number = ++lastId;
  /** How the connection ended, or is to end, from the first that is known on. */
  info: CloseInfo | undefined;
  /** Whether the peer has ended, by its Close frame, its error, or its FIN. */
  hasPeerEnded = false;
  /** What the peer's Close frame said, if it came. */
  receivedStatus: CloseStatus | undefined;
  /** What the peer did against the protocol, if it did. */
  receivedError: ProtocolError | undefined;
  /** What the peer did for which this side ended the connection, if that is how it ended. */
  failure: ProtocolError | undefined;
  /** Aborts `signal`, which most programs never ask for. */
  #controller: AbortController | undefined;

  /** Whether the peer's Close frame says that it has failed the connection, turned it away, or is going away. */
  get isPeerGone(): boolean {
    const closeCode = this.receivedStatus?.closeCode ?? CloseCode.NoStatusReceived;
    return closeCode < 3000 && closeCode !== CloseCode.NormalClosure &&
      closeCode !== CloseCode.NoStatusReceived;
  }

  receiveClose(status: CloseStatus): void {
    this.hasPeerEnded = true;
    this.receivedStatus = status;
    this.info ??= { ...status, wasClean: false, initiator: "remote" };
  }

  receiveError(error: ProtocolError): void {
    this.hasPeerEnded = true;
    this.receivedError = this.#mark(error);
  }

  /** The peer's FIN came without a Close frame. */
  receiveEnd(): void {
    this.hasPeerEnded = true;
    this.info ??= abnormalClosure("remote", "");
  }

  /** This side closes, for which the peer's error is the reason if there is no other. */
  takeError(): void {
    if (this.info !== undefined) return;
    const error = this.failure = this.receivedError!;
    const { closeCode, message } = error;
    this.info = { closeCode, reason: message, wasClean: false, initiator: "local" };
  }

  /** This side closes, whatever it was about to close with. */
  close(status: CloseStatus): void {
    this.failure = undefined;
    this.info = { ...status, wasClean: false, initiator: "local" };
  }

  abort(reason: string): void {
    this.info ??= abnormalClosure("local", reason);
  }

  finish(wasClean: boolean): CloseInfo {
    return this.info = { ...this.info ?? abnormalClosure("remote", ""), wasClean };
  }

  /** What this side's Close frame says: "it typically echos the status code it received" (section 5.5.1). */
  get statusToSend(): CloseStatus {
    const { closeCode, reason, initiator } = this.info!;
    return { closeCode, reason: initiator === "local" ? reason : "" };
  }

  get signal(): AbortSignal {
    return (this.#controller ??= new AbortController()).signal;
  }

  abortSignal(): void {
    if (this.#controller === undefined || this.#controller.signal.aborted) return;
    this.#controller.abort(this.receivedError ?? this.closedError());
  }

  closedError(): ConnectionClosedError {
    const { closeCode = CloseCode.AbnormalClosure, reason = "" } = this.info ?? {};
    return this.#mark(
      new ConnectionClosedError("The connection is closing or closed", closeCode, reason),
    );
  }

  /** Gives one error for all that wait for something, if any do: its stack costs more than the rest of an end. */
  lazyClosedError(): () => ConnectionClosedError {
    let error: ConnectionClosedError | undefined;
    return () => error ??= this.closedError();
  }

  /** Marks an error as one about this connection's end. */
  #mark<T extends Error>(error: T): T {
    idsOfErrors.set(error, this.#id);
    return error;
  }

  /** Whether an error tells of this connection's end, or of another's; `undefined` if of none. */
  ownerOf(error: unknown): "this" | "another" | undefined {
    // A value that is no object is not in it.
    const id = idsOfErrors.get(error as object);
    if (id === undefined) return undefined;
    return id === this.#id ? "this" : "another";
  }

  /** Whether a program failed because `signal` had told it to stop. */
  saysAborted(error: unknown): boolean {
    return saysAborted(error, this.#controller?.signal);
  }

  /** Whether a program failed because this connection ended, which is no error of the program. */
  isReasonOf(error: unknown): boolean {
    return this.ownerOf(error) === "this" || this.saysAborted(error);
  }
}

/** How a connection ends that sees no Close frame (RFC 6455, section 7.1.5). */
function abnormalClosure(initiator: CloseInfo["initiator"], reason: string): CloseInfo {
  return { closeCode: CloseCode.AbnormalClosure, reason, wasClean: false, initiator };
}
