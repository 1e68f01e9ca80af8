/**
 * A broker that keeps messages, as a list: random operations are compared with it.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Position } from "../../src/topics/cluster/broker.ts";
import type { KeptServer } from "./kept_server.ts";

/** What a message costs besides its bytes. */
const COST = 256;

interface ModelMessage {
  readonly id: string;
  readonly position: Position;
  readonly bytes: Uint8Array;
}

/** Does the same with servers and with lists. */
export class Model {
  readonly #windowSize: number;
  #state: number;

  /** @param seed What decides the operations. */
  constructor(seed: number, windowSize: number) {
    this.#state = seed;
    this.#windowSize = windowSize;
  }

  /** Has the servers do so many operations. */
  async run(
    servers: readonly KeptServer[],
    topics: readonly string[],
    count: number,
  ): Promise<void> {
    const [watcher] = servers;
    await watcher.broker.subscribe(topics, true);
    const places = new Map<string, Position>();
    const lists = new Map<string, ModelMessage[]>();
    for (const topic of topics) {
      places.set(topic, await watcher.place(topic));
      lists.set(topic, []);
    }
    for (let i = 0; i < count; i++) {
      const [topic, server] = [this.#pick(topics), this.#pick(servers)];
      const list = lists.get(topic)!;
      const kept = this.#keep(list);
      if (kept.length > 0 && this.#next(10) === 0) {
        await server.append(topic, "again", this.#pick(kept).id);
      } else if (this.#next(3) > 0) {
        const bytes = new Uint8Array(this.#next(8) === 0 ? this.#next(6500) : this.#next(300));
        const id = server.createId();
        await server.append(topic, bytes.fill(i), id);
        const { length } = watcher.messagesOf(topic);
        await watcher.until("the message", () => watcher.messagesOf(topic).length > list.length);
        assertEquals([length <= list.length + 1, watcher.messagesOf(topic).length], [
          true,
          list.length + 1,
        ]);
        const { message, position } = watcher.messagesOf(topic).at(-1)!;
        assertEquals(message, bytes);
        list.push({ id, bytes, position });
      } else {
        const place = this.#pick([places.get(topic)!, ...list.map(({ position }) => position)]);
        await this.#compare(server, topic, place, list);
      }
    }
    for (const topic of topics) {
      await this.#compare(watcher, topic, places.get(topic)!, lists.get(topic)!);
    }
  }

  async #compare(server: KeptServer, topic: string, place: Position, list: ModelMessage[]) {
    const missed = list.filter(({ position }) => position.number > place.number);
    const kept = this.#keep(missed);
    const isComplete = kept.length === missed.length;
    const read = await server.broker.read(topic, place);
    assertEquals(read.isComplete, isComplete);
    assertEquals(read.messages.map(({ position }) => position), kept.map((each) => each.position));
    let previous = isComplete ? place.number : (kept[0]?.position.number ?? 1) - 1;
    for (const [index, message] of read.messages.entries()) {
      assertEquals(Uint8Array.from(message.message), kept[index].bytes);
      assertEquals(message.previous, previous);
      previous = message.position.number;
    }
  }

  /** Those of a list that there is room for: the last ones. */
  #keep(list: readonly ModelMessage[]): ModelMessage[] {
    let size = 0;
    let first = list.length;
    while (first > 0 && size + list[first - 1].bytes.length + COST <= this.#windowSize) {
      size += list[--first].bytes.length + COST;
    }
    return list.slice(first);
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.#next(items.length)];
  }

  /** A number below `end`, by a linear congruence. */
  #next(end: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(this.#state / 2 ** 32 * end);
  }
}
