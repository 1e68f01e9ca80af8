// A WebSocket for browsers that reconnects by itself, and gets the messages published meanwhile: the
// client of the protocol `sluice.resume.v1`, which docs/resume.md describes. To use it, copy this file:
//
//     const socket = new ResumingSocket("wss://example.com/", { onMessage: (data) => show(data) });
//
// `on` may have onOpen(), onMessage(data), onLost(topic) and onClose({ code, reason, delayMs }).

const latin1 = new TextDecoder("latin1");

export class ResumingSocket {
  #positions = new Map(); // by topic: that of the last message received
  #failures = 0;
  #session;
  #socket;

  constructor(url, on) {
    this.#connect(url, on);
  }

  /** Sends a message: a string or bytes. */
  send(data) {
    if (this.#socket.readyState !== WebSocket.OPEN) throw new Error("Not connected");
    this.#socket.send(data);
  }

  /** Ends for good. */
  close(code, reason) {
    this.#failures = Infinity;
    this.#socket.close(code, reason);
  }

  #connect(url, on) {
    const own = { topics: new Map(), at: new Map() }; // topics by number, positions since `progress`
    const socket = this.#socket = new WebSocket(url, "sluice.resume.v1");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const positions = Object.fromEntries(this.#positions);
      socket.send(JSON.stringify({ session: this.#session, positions }));
      on.onOpen?.();
    };
    socket.onmessage = ({ data }) => {
      const [header, rest] = split(data);
      if (header?.startsWith("{")) return this.#control(JSON.parse(header), own, on);
      const [number, position] = header?.split(" ") ?? [];
      if (position) own.at.set(own.topics.get(Number(number)), position);
      on.onMessage?.(rest);
    };
    socket.onclose = ({ code, reason }) => {
      own.topics.forEach((name) => this.#positions.set(name, own.at.get(name) ?? own.progress));
      // A server that refused the resume request would refuse it again; and none takes over 4096 topics.
      const isRefusal = [1002, 1003, 1007, 1008, 1009, 1011].includes(code);
      const isRefused = !own.isAnswered && this.#positions.size > 0 && isRefusal;
      const lost = [...this.#positions.keys()].slice(0, isRefused ? undefined : -4096);
      lost.forEach((name) => (this.#positions.delete(name), on.onLost?.(name)));
      const isOver = this.#failures === Infinity || code === 1000 || (code === 1008 && !isRefused);
      const delayMs = Math.random() * Math.min(1000 * 2 ** this.#failures++, 30_000);
      if (!isOver) setTimeout(() => this.#failures < Infinity && this.#connect(url, on), delayMs);
      on.onClose?.({ code, reason, delayMs: isOver ? undefined : delayMs });
    };
  }

  #control({ session, topic, number, position, isLost, unsubscribed: left, progress }, own, on) {
    if (session) [this.#session, this.#failures, own.isAnswered] = [session, 0, true];
    if (number) own.topics.set(number, topic);
    if (number) own.at.set(topic, position ?? own.at.get(topic) ?? this.#positions.get(topic));
    if (isLost) on.onLost?.(topic);
    if (left) this.#positions.delete(own.topics.get(left)), own.topics.delete(left);
    if (progress) [own.progress, own.at] = [progress, new Map()];
  }
}

/** Splits a message into its header, which goes from RS to LF, if it has one, and the rest. */
function split(data) {
  const text = typeof data === "string" ? data : latin1.decode(data.slice(0, 99));
  if (!text.startsWith("\x1e")) return [undefined, data];
  const end = text.indexOf("\n");
  return end < 0 ? [text.slice(1)] : [text.slice(1, end), data.slice(end + 1)];
}
