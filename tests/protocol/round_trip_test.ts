import { describe, it } from "node:test";
import { assertEquals, assertLess } from "@std/assert";
import type { Role } from "../../src/protocol/mod.ts";
import { concatBytes } from "../support/reference_frames.ts";
import { Random, utf8 } from "../codec/support.ts";
import { describeControl, describeFrames, describeMessage } from "./events.ts";
import { receivePlainly } from "./reference_receiver.ts";
import { Side } from "./support.ts";

const LIMITS = { maxMessageSize: 10_000_000, maxFragments: 100 };
const WORDS = ["", "a", "hello ", "é", "€uro", "😀", "\ufeff", "x".repeat(125), "y".repeat(17_000)];

/** One end of a connection: a side, what it meant to send, and the bytes that are on their way. */
class End {
  readonly side: Side;
  /** The events that what it sends must make at the other end. */
  readonly meant: string[] = [];
  /** All it has sent. */
  readonly sent: Uint8Array[] = [];
  #wire: Uint8Array = new Uint8Array(0);
  #random: Random;
  #fragments: Uint8Array[] = [];
  #type: "text" | "binary" = "text";

  constructor(role: Role, random: Random) {
    // With random masking keys, as in use.
    this.side = new Side(role, { ...LIMITS, maskingKey: undefined });
    this.#random = random;
    const { log } = this.side;
    const receivePing = log.receivePing.bind(log);
    log.receivePing = (payload) => {
      receivePing(payload);
      this.side.protocol.sendPong(payload);
      this.meant.push(describeControl(10, payload));
    };
  }

  get #text(): string {
    const count = this.#random.below(6);
    return Array.from({ length: count }, () => this.#random.pick(WORDS)).join("");
  }

  /** Does something that is allowed. */
  act(): void {
    const { protocol } = this.side;
    const action = this.#random.below(8);
    if (action === 0) {
      const payload = this.#random.bytes(this.#random.below(126));
      protocol.sendPing(payload);
      this.meant.push(describeControl(9, payload));
    } else if (action < 5) {
      this.sendFragment(this.#random.below(3) === 0);
    } else if (this.#fragments.length > 0) {
      this.sendFragment(true);
    } else if (action === 5) {
      const bytes = this.#random.bytes(this.#random.below(2000));
      protocol.sendMessage(bytes);
      this.meant.push(describeMessage("binary", bytes));
    } else {
      const text = this.#text;
      protocol.sendMessage(text);
      this.meant.push(describeMessage("text", text));
    }
  }

  sendFragment(fin: boolean): void {
    if (this.#fragments.length === 0) this.#type = this.#random.pick(["text", "binary"] as const);
    const payload = this.#type === "text"
      ? utf8(this.#text)
      : this.#random.bytes(this.#random.below(300));
    this.side.protocol.sendFragment(this.#type, payload, fin);
    this.#fragments.push(payload);
    if (!fin) return;
    this.meant.push(describeMessage(this.#type, concatBytes(this.#fragments)));
    this.#fragments = [];
  }

  /** Finishes the message it has begun, if it has. */
  finish(): void {
    if (this.#fragments.length > 0) this.sendFragment(true);
  }

  /** Puts on the wire what the protocol gives out. */
  flush(): void {
    const output = this.side.protocol.takeOutput();
    this.sent.push(...output.map((chunk) => chunk.slice()));
    this.#wire = concatBytes([this.#wire, ...output]);
  }

  /** Brings some of what is on the wire to the other end. */
  deliver(other: End, count: number): void {
    const piece = this.#wire.slice(0, count);
    this.#wire = this.#wire.subarray(count);
    assertEquals(other.side.protocol.receive(piece), piece.length);
    piece.fill(0xff);
  }
}

describe("a client and a server", () => {
  for (let seed = 1; seed <= 10; seed++) {
    it(`understand each other, and the reference understands them: seed ${seed}`, () => {
      const random = new Random(seed);
      const ends: [End, End] = [new End("client", random), new End("server", random)];
      for (let step = 0; step < 300; step++) {
        const [from, to] = random.below(2) === 0 ? ends : ends.toReversed();
        from.side.protocol.streaming = random.below(10) === 0;
        if (random.below(2) === 0) from.act();
        if (random.below(3) === 0) from.flush();
        from.deliver(to, random.pick([0, 1, 2, 7, 100, 5000, 1e6]));
      }
      for (const end of ends) end.finish();
      // Twice, since Pings are answered.
      for (let i = 0; i < 2; i++) {
        for (const [from, to] of [ends, ends.toReversed()]) {
          from.flush();
          from.deliver(to, Infinity);
        }
      }

      const [closing, other] = random.below(2) === 0 ? ends : ends.toReversed();
      for (const [from, to] of [[closing, other], [other, closing]]) {
        from.side.protocol.sendClose({ closeCode: 1000, reason: "bye" });
        from.meant.push('close 1000 "bye"');
        from.flush();
        from.deliver(to, Infinity);
      }

      for (const [from, to] of [ends, ends.toReversed()]) {
        assertLess(50, from.meant.length);
        assertEquals(to.side.takeEvents(), from.meant);
        assertEquals(from.side.protocol.state, "closed");
        // Were both ends wrong in the same way, the reference would not be.
        const sent = concatBytes(from.sent);
        const masked = from.side.role === "client";
        assertEquals(receivePlainly(sent, { masked, ...LIMITS }).events, from.meant);
        describeFrames(sent, from.side.role);
      }
    });
  }
});
