/** The first and the longest delay before a reconnect, in milliseconds. */
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 15_000;

/** After a connection that lasted this long, the next delay is the first one again, in milliseconds. */
const GOOD_MS = 5_000;

/** The server sends figures every second: after three checks without a message, it is taken for gone. */
const CHECK_INTERVAL_MS = 4_000;
const SILENT_CHECKS = 3;

/** A WebSocket of JSON messages that reconnects by itself. */
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
   * }} events `down` is called each time the connection is lost or can't be opened, with the delay until the
   * next attempt.
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

  /** Sends a message; returns false if there is no connection. */
  send(message) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(message));
    return true;
  }

  /** Reconnects at once, if a reconnect is pending. */
  retryNow() {
    if (this.#socket === undefined) this.#connect();
  }

  #connect() {
    clearTimeout(this.#retryTimer);
    this.#events.connecting();
    this.#silentChecks = 0;
    this.#openedAt = undefined;
    const socket = this.#socket = new WebSocket(this.#url);
    // Ignore events of a socket that was abandoned.
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
    // "error" has no more information than the "close" after it.
    socket.addEventListener("close", ifCurrent(() => this.#lose()));
  }

  #lose() {
    this.#socket.close();
    this.#socket = undefined;
    if (performance.now() - this.#openedAt > GOOD_MS) this.#failures = 0;
    const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** this.#failures++);
    // A random delay, so that not all clients reconnect at once.
    const delayMs = delay * (0.75 + Math.random() / 2);
    this.#retryTimer = setTimeout(() => this.#connect(), delayMs);
    this.#events.down(delayMs);
  }
}
