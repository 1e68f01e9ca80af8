/**
 * The reference client of the tests as a peer: it shares no code with the library, and its bytes are
 * cut anywhere.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Message } from "../../../../mod.ts";
import type { Random } from "../../../codec/support.ts";
import {
  Inbox,
  type Peer,
  type PeerClose,
  type PeerSocket,
  RefusedError,
} from "../../../interop/peer.ts";
import { NetSocket } from "../../../support/net_socket.ts";
import {
  clientFrame,
  closeFrame,
  decodeUtf8,
  RawClient,
  utf8,
} from "../../../support/raw_client.ts";
import {
  concatBytes,
  REFERENCE_OPCODES,
  type ReferenceFrame,
} from "../../../support/reference_frames.ts";
import { ACCEPT, upgradeRequest } from "../../../support/requests.ts";

/** How many bytes of what is sent may be cut into single writes; the rest goes out whole. */
const CUT_SIZE = 600;

/** Makes the peer. With `random`, it cuts what it sends as that decides. */
export function createRawPeer(random?: Random): Peer {
  return {
    name: "raw",
    async connect(url) {
      const { port, pathname } = new URL(url);
      const client = new RawClient(await NetSocket.connect(Number(port)));
      client.send(upgradeRequest({ target: pathname }));
      const { status, headers } = await client.readHead();
      if (status !== 101) throw new RefusedError(`refused with ${status}`, status);
      assertEquals(headers.get("sec-websocket-accept"), ACCEPT);
      return new RawPeerSocket(client, random);
    },
  };
}

class RawPeerSocket implements PeerSocket {
  readonly protocol = "";
  readonly extensions = "";
  readonly closed: Promise<PeerClose>;
  readonly #client: RawClient<NetSocket>;
  readonly #random: Random | undefined;
  readonly #messages: Inbox<Message> = new Inbox();
  readonly #pongs: Inbox<Uint8Array> = new Inbox();
  #hasSentClose = false;
  /** The frames so far of the message that arrives. */
  #fragments: ReferenceFrame[] = [];

  constructor(client: RawClient<NetSocket>, random: Random | undefined) {
    this.#client = client;
    this.#random = random;
    this.closed = this.#read().catch((error: Error) => {
      this.terminate();
      return { closeCode: 1006, reason: error.message };
    }).then((end) => {
      const error = new Error(`closed with ${end.closeCode} "${end.reason}"`);
      this.#messages.fail(error);
      this.#pongs.fail(error);
      return end;
    });
  }

  receive(): Promise<Message> {
    return this.#messages.take();
  }

  send(message: Message): void {
    this.sendFragments([message] as string[]);
  }

  /** Sends as many fragments as there are parts; those of a text are cut within characters too. */
  sendFragments(parts: string[] | Uint8Array[]): void {
    const { text, binary, continuation } = REFERENCE_OPCODES;
    const opcode = typeof parts[0] === "string" ? text : binary;
    const payloads = opcode === text ? this.#cutText(parts as string[]) : parts as Uint8Array[];
    const frames = payloads.map((payload, i) =>
      clientFrame({
        opcode: i === 0 ? opcode : continuation,
        fin: i === payloads.length - 1,
        payload,
        ...this.#random && { maskingKey: this.#random.bytes(4) },
      })
    );
    this.#write(concatBytes(frames));
  }

  ping(payload: Uint8Array): Promise<Uint8Array> {
    this.#write(clientFrame({ opcode: REFERENCE_OPCODES.ping, payload }));
    return this.#pongs.take();
  }

  close(closeCode?: number, reason?: string): void {
    this.#hasSentClose = true;
    this.#client.send(closeFrame(closeCode, reason));
  }

  terminate(): void {
    this.#client.socket.reset();
  }

  #cutText(parts: string[]): Uint8Array[] {
    const bytes = utf8(parts.join(""));
    const cuts = [
      0,
      ...parts.slice(1).map(() => this.#random?.below(bytes.length + 1) ?? bytes.length)
        .sort((a, b) => a - b),
      bytes.length,
    ];
    return parts.map((_, i) => bytes.subarray(cuts[i], cuts[i + 1]));
  }

  #write(bytes: Uint8Array): void {
    if (this.#random === undefined) return this.#client.send(bytes);
    for (const piece of this.#random.cut(bytes.subarray(0, CUT_SIZE), CUT_SIZE)) {
      this.#client.send(piece);
    }
    this.#client.send(bytes.subarray(CUT_SIZE));
  }

  async #read(): Promise<PeerClose> {
    for (;;) {
      const frame = await this.#client.readFrame();
      if (frame.opcode === REFERENCE_OPCODES.close) return await this.#receiveClose(frame);
      this.#receive(frame);
    }
  }

  #receive(frame: ReferenceFrame): void {
    const { ping, pong, text } = REFERENCE_OPCODES;
    const { opcode, payload } = frame;
    if (opcode === ping) {
      return this.#client.sendFrame({ opcode: pong, payload });
    }
    if (opcode === pong) return this.#pongs.push(payload);
    this.#fragments.push(frame);
    if (!frame.fin) return;
    const whole = concatBytes(this.#fragments.map(({ payload }) => payload));
    this.#messages.push(this.#fragments[0].opcode === text ? decodeUtf8(whole) : whole);
    this.#fragments = [];
  }

  /** Ends as the RFC has it: a Close frame from each side, then the server ends TCP first. */
  async #receiveClose({ payload }: ReferenceFrame): Promise<PeerClose> {
    const closeCode = payload.length === 0 ? undefined : payload[0] * 256 + payload[1];
    if (!this.#hasSentClose) this.close(closeCode);
    await this.#client.finish();
    return { closeCode: closeCode ?? 1005, reason: decodeUtf8(payload.subarray(2)) };
  }
}
