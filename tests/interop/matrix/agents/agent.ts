/**
 * What every peer of the matrix does, on whichever library: it echoes, and obeys what it is told in
 * texts that begin with `!`.
 *
 * - `!version`: answers with the version of the library.
 * - `!fragments`: echoes the next message in three fragments, the second of which is empty.
 * - `!ping WORD`: sends a Ping with the word, and answers `!pong WORD` when its Pong has arrived.
 * - `!close [CODE REASON]`: closes.
 * - `!seen`: answers with the code and reason that the connection before this one was closed with, as
 *   JSON.
 * - `!connect URL`: connects there the next time. A client connects again whenever a connection has
 *   ended, until it can't.
 *
 * The agents in other languages, beside this file, do the same.
 *
 * @module
 */

/** A message, as libraries give it. */
export type AgentMessage = string | Uint8Array;

/** What the agent needs of an open WebSocket of a library. */
export interface AgentSocket {
  send(message: AgentMessage): void;
  close(closeCode?: number, reason?: string): void;
  sendFragments?(parts: AgentMessage[]): void;
  ping?(payload: string): void;
}

/** What a library's WebSocket tells the agent. */
export interface AgentConnection {
  receive(message: AgentMessage): void;
  receivePong(payload: string): void;
  receiveClose(closeCode: number, reason: string): void;
}

/** All connections of one peer. */
export interface Agent {
  /** Where to connect to the next time. */
  url: string;
  open(socket: AgentSocket): AgentConnection;
}

/** Makes an agent. Browsers are given the text of this function: it refers to nothing outside. */
export function createAgent(version: string, url: string): Agent {
  interface Seen {
    closeCode: number;
    reason: string;
  }
  let last = Promise.resolve<Seen>({ closeCode: 0, reason: "" });

  function open(socket: AgentSocket): AgentConnection {
    const seen = last;
    let receiveClose!: (seen: Seen) => void;
    last = new Promise((resolve) => receiveClose = resolve);
    let isFragmenting = false;

    function echo(message: AgentMessage): void {
      if (!isFragmenting) return socket.send(message);
      isFragmenting = false;
      const middle = message.length >> 1;
      const parts = typeof message === "string"
        ? [message.slice(0, middle), "", message.slice(middle)]
        : [message.subarray(0, middle), message.subarray(0, 0), message.subarray(middle)];
      socket.sendFragments!(parts);
    }

    function obey([command, ...words]: string[]): void {
      if (command === "!version") socket.send(version);
      else if (command === "!fragments") isFragmenting = true;
      else if (command === "!ping") socket.ping!(words[0]);
      else if (command === "!seen") seen.then((value) => socket.send(JSON.stringify(value)));
      else if (command === "!connect") agent.url = words[0];
      else if (words.length === 0) socket.close();
      else socket.close(Number(words[0]), words.slice(1).join(" "));
    }

    return {
      receive(message) {
        if (typeof message === "string" && message[0] === "!") obey(message.split(" "));
        else echo(message);
      },
      receivePong: (payload) => socket.send(`!pong ${payload}`),
      receiveClose: (closeCode, reason) => receiveClose({ closeCode, reason }),
    };
  }

  const agent = { url, open };
  return agent;
}

/**
 * Keeps an agent connected by a WebSocket as the standard has it. Browsers are given the text of this
 * function too.
 *
 * @param connect Makes the WebSocket.
 * @param ping Sends a Ping, where the library has a way that the standard has not.
 * @param end Is called where it could not connect.
 */
export function runStandardAgent(
  agent: Agent,
  connect: (url: string) => WebSocket,
  end: () => void,
  ping?: (socket: WebSocket, payload: string, pong: () => void) => void,
): void {
  const socket = connect(agent.url);
  socket.binaryType = "arraybuffer";
  let conn: AgentConnection | undefined;
  let hasEnded = false;
  const settle = (closeCode: number, reason: string) => {
    if (hasEnded) return;
    hasEnded = true;
    if (conn === undefined) return end();
    conn.receiveClose(closeCode, reason);
    runStandardAgent(agent, connect, end, ping);
  };
  socket.onopen = () => {
    const opened = conn = agent.open({
      send: (message) => socket.send(message as string | Uint8Array<ArrayBuffer>),
      close: (closeCode, reason) =>
        closeCode === undefined ? socket.close() : socket.close(closeCode, reason),
      ping: ping && ((payload) => ping(socket, payload, () => opened.receivePong(payload))),
    });
  };
  socket.onmessage = ({ data }) =>
    conn!.receive(typeof data === "string" ? data : new Uint8Array(data));
  // Some tell of a failed handshake by "error" alone.
  socket.onerror = () => {
    if (conn === undefined) settle(1006, "");
  };
  socket.onclose = ({ code, reason }) => settle(code, reason);
}
