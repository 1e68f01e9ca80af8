import { describe, it } from "node:test";
import { assertEquals } from "@std/assert";
import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import * as awarenessProtocol from "y-protocols/awareness";
import * as syncProtocol from "y-protocols/sync";
import { messageAwareness, messageSync, WebsocketProvider } from "y-websocket";
import * as Y from "yjs";
import { eventually } from "../support/waiter.ts";
import { withLibrary } from "./serve_library.ts";

/** A shared document: what a server of y-websocket does, over standard WebSockets. */
class Room {
  readonly doc: Y.Doc = new Y.Doc();
  readonly awareness: awarenessProtocol.Awareness = new awarenessProtocol.Awareness(this.doc);
  /** Each socket, and the clients that are behind it. */
  readonly #sockets = new Map<WebSocket, Set<number>>();

  constructor() {
    this.awareness.setLocalState(null);
    this.doc.on("update", (update) => {
      this.#broadcast(messageSync, (encoder) => syncProtocol.writeUpdate(encoder, update));
    });
    this.awareness.on("update", (changes: Record<string, number[]>, origin: unknown) => {
      const clients = this.#sockets.get(origin as WebSocket);
      for (const client of changes.added) clients?.add(client);
      const changed = Object.values(changes).flat();
      this.#broadcast(messageAwareness, (encoder) => this.#writeAwareness(encoder, changed));
    });
  }

  /** Takes a connection. */
  readonly take = (socket: WebSocket): void => {
    const clients = new Set<number>();
    this.#sockets.set(socket, clients);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => this.#receive(socket, new Uint8Array(data));
    socket.onclose = () => {
      this.#sockets.delete(socket);
      awarenessProtocol.removeAwarenessStates(this.awareness, [...clients], null);
    };
    socket.send(encode(messageSync, (encoder) => syncProtocol.writeSyncStep1(encoder, this.doc)));
    const present = [...this.awareness.getStates().keys()];
    if (present.length > 0) {
      socket.send(encode(messageAwareness, (encoder) => this.#writeAwareness(encoder, present)));
    }
  };

  destroy(): void {
    this.awareness.destroy();
    this.doc.destroy();
  }

  #receive(socket: WebSocket, message: Uint8Array): void {
    const decoder = decoding.createDecoder(message);
    if (decoding.readVarUint(decoder) === messageAwareness) {
      const update = decoding.readVarUint8Array(decoder);
      awarenessProtocol.applyAwarenessUpdate(this.awareness, update, socket);
      return;
    }
    const answer = encoding.createEncoder();
    encoding.writeVarUint(answer, messageSync);
    syncProtocol.readSyncMessage(decoder, answer, this.doc, socket);
    if (encoding.length(answer) > 1) socket.send(bytesOf(answer));
  }

  #writeAwareness(encoder: encoding.Encoder, clients: number[]): void {
    const update = awarenessProtocol.encodeAwarenessUpdate(this.awareness, clients);
    encoding.writeVarUint8Array(encoder, update);
  }

  #broadcast(type: number, write: (encoder: encoding.Encoder) => void): void {
    const message = encode(type, write);
    for (const socket of this.#sockets.keys()) socket.send(message);
  }
}

function encode(type: number, write: (encoder: encoding.Encoder) => void): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, type);
  write(encoder);
  return bytesOf(encoder);
}

function bytesOf(encoder: encoding.Encoder): Uint8Array<ArrayBuffer> {
  return encoding.toUint8Array(encoder) as Uint8Array<ArrayBuffer>;
}

/** What a test has: the room, and a way to join it. */
interface Stage {
  room: Room;
  join(): WebsocketProvider;
  endConnections(): void;
}

async function withRoom(body: (stage: Stage) => Promise<void>): Promise<void> {
  const room = new Room();
  const providers: WebsocketProvider[] = [];
  try {
    await withLibrary(room.take, async ({ server, url }) => {
      await body({
        room,
        join() {
          const provider = new WebsocketProvider(url, "room", new Y.Doc(), { disableBc: true });
          providers.push(provider);
          return provider;
        },
        endConnections() {
          for (const conn of server.connections) conn.abort();
        },
      });
      for (const provider of providers) {
        provider.destroy();
        provider.awareness.destroy();
        provider.doc.destroy();
      }
      await eventually("all to leave", () => server.connections.size === 0);
    }, { compression: true });
  } finally {
    room.destroy();
  }
}

function textOf({ doc }: { doc: Y.Doc }): Y.Text {
  return doc.getText("text");
}

async function untilAll(members: { doc: Y.Doc }[], text: string): Promise<void> {
  await eventually("the text", () => members.every((each) => textOf(each).toString() === text));
}

describe("yjs and y-websocket", () => {
  it("share a document, from before and while it is edited", () =>
    withRoom(async ({ room, join }) => {
      textOf(room).insert(0, "from before");
      const members = [join(), join(), join()];
      await untilAll(members, "from before");
      textOf(members[0]).insert(0, "not only ");
      await untilAll([room, ...members], "not only from before");
      textOf(members[1]).delete(0, 9);
      await untilAll([room, ...members], "from before");
      // At once, and a large one.
      const long = "é".repeat(100_000);
      textOf(members[0]).insert(0, long);
      textOf(members[2]).insert(11, "!");
      await untilAll([room, ...members], `${long}from before!`);
    }));

  it("tell each other who is there, and who left", () =>
    withRoom(async ({ join }) => {
      const [first, second] = [join(), join()];
      first.awareness.setLocalStateField("name", "first");
      second.awareness.setLocalStateField("name", "second");
      const namesOf = ({ awareness }: WebsocketProvider) =>
        [...awareness.getStates().values()].map(({ name }) => name).sort();
      for (const each of [first, second]) {
        await eventually("both", () => namesOf(each).join() === "first,second");
      }
      first.destroy();
      await eventually("one to leave", () => namesOf(second).join() === "second");
    }));

  it("come back after the connection is lost", () =>
    withRoom(async ({ room, join, endConnections }) => {
      const members = [join(), join()];
      textOf(members[0]).insert(0, "a");
      await untilAll([room, ...members], "a");
      const statuses: string[] = [];
      members[0].on("status", ({ status }) => statuses.push(status));
      endConnections();
      await eventually("the loss", () => statuses.includes("disconnected"));
      textOf(members[0]).insert(1, "b");
      await untilAll([room, ...members], "ab");
      assertEquals(statuses, ["disconnected", "connecting", "connected"]);
    }));
});
