import { it } from "node:test";
import { assertEquals } from "@std/assert";
import type { SharedFrames, Subscriber } from "../../src/connection/subscriber.ts";
import { Topics } from "../../src/topics/topics.ts";

/** A subscriber that takes everything, and has `onSent` called when it did. */
function subscriber(received: number[], onSent: () => void = () => {}): Subscriber {
  return {
    isSendable: true,
    room: 1_000,
    sharedWindowBits: 0,
    hasRoomForLength: () => true,
    deflateShared: () => undefined,
    sendShared(_frames: SharedFrames, messages: number) {
      received.push(messages);
      onSent();
    },
    sendAlone() {},
    isResumable: false,
    isGreeted: true,
    session: undefined,
    openSession: () => "",
    takePosition: () => undefined,
    sendNote() {},
    closeLagging() {},
  };
}

for (const topics of [["a"], ["a", "b"]]) {
  it(`a subscriber may leave while another gets what was published to ${topics}`, () => {
    const table = new Topics();
    const received: number[][] = [[], []];
    const second = subscriber(received[1]);
    const first = subscriber(received[0], () => table.leave(second));
    for (const topic of topics) {
      table.subscribe(first, topic, {});
      table.subscribe(second, topic, {});
    }
    for (const topic of topics) table.publish(topic, "x", undefined, "", undefined);
    table.flush();
    assertEquals(received, [[topics.length], []]);
    assertEquals(table.subscriberCount("a"), 1);
  });
}
