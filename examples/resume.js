// A WebSocket for browsers that connects again by itself, and gets what was published meanwhile: the
// client's side of `sluice.resume.v1`, which docs/resume.md describes. Copy it, it needs nothing else:
//
//     const socket = new ResumingSocket("wss://example.com/", { onMessage: (data) => show(data) });
//
// `on` takes onOpen(), onMessage(data), onLost(topic) and onClose({ code, reason, delayMs }).

export class ResumingSocket {
  #positions = new Map(); // by topic: how far the page got
  #failures = 0;
  #session;
  #socket;
  #timer;

  constructor(url, on) {
    this.#connect(url, on);
  }

  /** Sends a message: a string or bytes. */
  send(data) {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("There is no connection");
    this.#socket.send(data);
  }

  /** Ends for good. */
  close(code, reason) {
    clearTimeout(this.#timer);
    this.#failures = Infinity;
    this.#socket.close(code, reason);
  }

  #connect(url, on) {
    const topics = new Map(); // of this connection, by their numbers
    const socket = this.#socket = new WebSocket(url, "sluice.resume.v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const positions = Object.fromEntries(this.#positions);
      socket.send(JSON.stringify({ session: this.#session, positions }));
      on.onOpen?.();
    };
    socket.onmessage = ({ data }) => {
      const [header, rest] = split(data);
      if (header?.startsWith("{")) return this.#takeNote(JSON.parse(header), topics, on);
      const [number, position] = header?.split(" ") ?? [];
      if (position) this.#positions.set(topics.get(Number(number)), position);
      on.onMessage?.(rest);
    };
    socket.onclose = ({ code, reason }) => {
      const isOver = this.#failures === Infinity || code === 1000 || code === 1008;
      const longestMs = Math.min(1000 * 2 ** this.#failures++, 30_000);
      const delayMs = isOver ? undefined : Math.random() * longestMs;
      if (!isOver) this.#timer = setTimeout(() => this.#connect(url, on), delayMs);
      on.onClose?.({ code, reason, delayMs });
    };
  }

  #takeNote({ session, topic, number, position, isLost, unsubscribed, progress }, topics, on) {
    if (session) [this.#session, this.#failures] = [session, 0];
    if (number) topics.set(number, topic);
    if (position) this.#positions.set(topic, position);
    if (isLost) on.onLost?.(topic);
    if (unsubscribed) this.#positions.delete(topics.get(unsubscribed)), topics.delete(unsubscribed);
    if (progress) topics.forEach((name) => this.#positions.set(name, progress));
  }
}

/** Parts a message into its header, where it has one, and the rest: the header goes from RS to LF. */
function split(data) {
  const text = typeof data === "string"
    ? data
    : new TextDecoder("latin1").decode(data.slice(0, 99));
  if (!text.startsWith("\x1e")) return [undefined, data];
  const end = text.indexOf("\n");
  return end < 0 ? [text.slice(1)] : [text.slice(1, end), data.slice(end + 1)];
}
