// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assertEquals, assertRejects } from "@std/assert";
import { SharedAnswer } from "../../src/brokers/shared_answer.ts";
import { StreamTail } from "../../src/brokers/stream_tail.ts";
import { TopicOrder } from "../../src/brokers/topic_order.ts";
import { Semaphore } from "../../src/brokers/semaphore.ts";
import { settle } from "../support/turn.ts";
import { Waiter } from "../support/waiter.ts";

/** Puts messages in order, of which each is given as its number and that of the one before. */
function order() {
  const waiter = new Waiter();
  const given: number[] = [];
  const bytes: number[] = [];
  let late = 0;
  const topic = new TopicOrder((kept) => {
    given.push(kept.position.number);
    bytes.push(kept.message[0]);
    waiter.wake();
  }, () => late++);
  const receive = (number: number, previous: number) => {
    const message = Uint8Array.of(number);
    topic.receive({ position: { epoch: "e", number }, previous, message });
    message[0] = 0;
  };
  return { topic, given, bytes, waiter, receive, countLate: () => late };
}

describe("the order of a topic", () => {
  it("is that of its numbers", () => {
    const { topic, given, bytes, receive, countLate } = order();
    receive(5, 2);
    receive(9, 7);
    receive(12, 9);
    receive(6, 5);
    assertEquals(given, [5, 6]);
    receive(7, 6);
    assertEquals(given, [5, 6, 7, 9, 12]);
    assertEquals(bytes, given, "the bytes are those that it had");
    receive(20, 0);
    assertEquals(given.at(-1), 20, "what is not kept is not waited for");
    assertEquals(countLate(), 0);
    topic.reset();
  });

  it("passes over what does not come, and drops what comes too late", async () => {
    const { given, receive, waiter, countLate } = order();
    receive(1, 0);
    receive(4, 3);
    receive(3, 2);
    assertEquals(given, [1]);
    await waiter.until("the others", () => given.length === 3);
    assertEquals(given, [1, 3, 4]);
    receive(2, 1);
    receive(4, 3);
    assertEquals([given.length, countLate()], [3, 2]);
  });

  it("begins anew", () => {
    const { topic, given, receive } = order();
    receive(10, 9);
    receive(13, 12);
    topic.reset();
    receive(2, 1);
    assertEquals(given, [10, 2]);
  });
});

describe("what is read of a stream", () => {
  it("is cut to what there is room for", () => {
    const tail = new StreamTail(2 * (256 + 10));
    for (const number of [1, 2]) tail.add(number, new Uint8Array(10));
    assertEquals([tail.messages.length, tail.isCut], [2, false]);
    tail.add(3, new Uint8Array(1));
    assertEquals([tail.messages.map(({ number }) => number), tail.isCut], [[2, 3], true]);
    tail.add(4, new Uint8Array(1000));
    assertEquals(tail.messages, []);
  });
});

describe("a semaphore", () => {
  it("has things done in order, so many at a time", async () => {
    const semaphore = new Semaphore(2);
    const begun: number[] = [];
    const works = [0, 1, 2, 3].map(() => Promise.withResolvers<number>());
    const results = works.map(({ promise }, index) =>
      semaphore.run(() => {
        begun.push(index);
        return promise;
      })
    );
    await settle();
    assertEquals(begun, [0, 1]);
    works[1].reject(new Error("failed"));
    await assertRejects(() => results[1], Error, "failed");
    await settle();
    assertEquals(begun, [0, 1, 2]);
    for (const index of [0, 2, 3]) works[index].resolve(index);
    assertEquals(await Promise.all([results[0], results[2], results[3]]), [0, 2, 3]);
  });
});

describe("a shared answer", () => {
  it("is never one that was asked for before", async () => {
    const asked: PromiseWithResolvers<number>[] = [];
    const shared = new SharedAnswer(() => {
      const one = Promise.withResolvers<number>();
      asked.push(one);
      return one.promise;
    });
    const first = shared.get();
    const others = [shared.get(), shared.get()];
    assertEquals(asked.length, 1);
    asked[0].reject(new Error("failed"));
    await assertRejects(() => first, Error, "failed");
    await settle();
    assertEquals(asked.length, 2);
    asked[1].resolve(2);
    assertEquals(await Promise.all(others), [2, 2]);
    const last = shared.get();
    asked[2].resolve(3);
    assertEquals(await last, 3);
  });
});
