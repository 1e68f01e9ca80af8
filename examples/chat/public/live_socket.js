/** How long to wait before the first try to come back, and at most, in milliseconds. */
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** A connection that lasted this long was a good one: the next delay is the first one again. */
const GOOD_MS = 5_000;

/** The server sends figures every second. After three checks without anything it must be gone. */
const CHECK_INTERVAL_MS = 4_000;
const SILENT_CHECKS = 3;

/** A WebSocket of JSON messages that comes back by itself. */
export class LiveSocket {
  #url;
  #events;
  #socket;
  #openedAt;
  #failures = 0;
  #retryTimer;
  #silentChecks = 0;

  /**
   * @param {string | URL} url
   * @param {{
   *   message(message: any): void,
   *   down(delayMs: number): void,
   *   connecting(): void,
   * }} events `down` comes once for each time the connection is lost or can't be made, with how
   * long it will be until the next try.
   */
  constructor(url, events) {
    this.#url = url;
    this.#events = events;
    // Not the moment of the last message: after a laptop's sleep that would be long ago, though
    // the messages that arrived meanwhile are only waiting for their turn.
    setInterval(() => {
      if (this.#socket !== undefined && ++this.#silentChecks > SILENT_CHECKS) this.#lose();
    }, CHECK_INTERVAL_MS);
    addEventListener("online", () => this.retryNow());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retryNow();
    });
    this.#connect();
  }

  /** Sends a message; returns false where there is no connection. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Tries at once, if it is waiting to. */
  retryNow() {
    if (this.#socket === undefined) this.#connect();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#events.connecting();
    this.#silentChecks = 0;
    this.#openedAt = undefined;
    const socket = this.#socket = new WebSocket(this.#url);
    // What a socket that was given up still says is not listened to.
    const ifCurrent = (listener) => (event) => {
      if (socket === this.#socket) listener(event);
    };
    socket.addEventListener("open", ifCurrent(() => this.#openedAt = performance.now()));
    socket.addEventListener(
      "message",
      ifCurrent((event) => {
        this.#silentChecks = 0;
        this.#events.message(JSON.parse(event.data));
      }),
    );
    // "error" says no more than the "close" that follows it.
    socket.addEventListener("close", ifCurrent(() => this.#lose()));
  }

  #lose() {
    this.#socket.close();
    this.#socket = undefined;
    if (performance.now() - this.#openedAt > GOOD_MS) this.#failures = 0;
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    // Not everybody at once, when a server comes back.
    const delayMs = delay * (0.75 + Math.random() / 2);
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
    this.#events.down(delayMs);
  }
}
