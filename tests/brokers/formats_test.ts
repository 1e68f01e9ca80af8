// @engines: all of it happens in memory.

import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import fc from "fast-check";
import { encodeSubject } from "../../src/brokers/nats_names.ts";
import { natsBroker } from "../../src/brokers/nats.ts";
import { redisBroker } from "../../src/brokers/redis.ts";
import {
  decodeBrokerMessage,
  encodeBrokerMessage,
} from "../../src/topics/cluster/broker_message.ts";

const ID = Uint8Array.from({ length: 16 }, (_, index) => index);
const OTHER_ID = new Uint8Array(16);

const messages = fc.record({
  data: fc.oneof(fc.string({ unit: "binary" }), fc.uint8Array({ maxLength: 100 })),
  compress: fc.constantFrom(undefined, false, true),
  key: fc.string({ unit: "binary", maxLength: 20 }),
  except: fc.option(fc.stringMatching(/^[\w-]{16,64}$/), { nil: undefined }),
});

describe("the messages of a broker", () => {
  it("are decoded as they were encoded", () => {
    fc.assert(fc.property(messages, (message) => {
      const bytes = encodeBrokerMessage(ID, message);
      assertEquals(decodeBrokerMessage(OTHER_ID, bytes), message);
      assertEquals(decodeBrokerMessage(ID, bytes), undefined);
      assertEquals(decodeBrokerMessage(undefined, bytes), message);
    }));
  });

  it("have the bytes that are written down", () => {
    const bytes = encodeBrokerMessage(ID, { data: "hi", compress: true, key: "é" });
    assertEquals(
      [...bytes],
      [0x53, 0x4c, 1, 7, ...ID, 0, 0, 0, 2, 0xc3, 0xa9, 0x68, 0x69],
    );
  });

  it("have the session that is not to get them behind the key", () => {
    const message = { data: "hi", compress: undefined, key: "k", except: "ab" };
    assertEquals(
      [...encodeBrokerMessage(ID, message)],
      [0x53, 0x4c, 1, 9, ...ID, 0, 0, 0, 1, 0x6b, 2, 0x61, 0x62, 0x68, 0x69],
    );
  });

  const good = encodeBrokerMessage(ID, { data: "hi", compress: undefined, key: "key" });
  const except = encodeBrokerMessage(ID, {
    ...{ data: "hi", compress: undefined, key: "key" },
    except: "0123456789abcdef",
  });
  const REFUSED: [name: string, bytes: Uint8Array, reason: string][] = [
    ["nothing", new Uint8Array(0), "0 bytes"],
    ["less than a head", good.subarray(0, 23), "23 bytes"],
    ["another beginning", good.with(0, 0x54), "SL"],
    ["another version", good.with(2, 2), "version 2"],
    ["flags of the future", good.with(3, 16), "flags 16"],
    ["compress without being given", good.with(3, 5), "flags 5"],
    ["a key that is longer than all", good.with(20, 255), "its key alone has 4278190083"],
    ["a key that is cut short", good.subarray(0, 26), "its key alone has 3"],
    ["text that is no UTF-8", good.with(28, 0xff), "UTF-8"],
    ["a key that is no UTF-8", good.with(24, 0xff), "UTF-8"],
    ["a session that is cut short", except.subarray(0, 33), "ends within a session"],
    ["a session without its length", except.subarray(0, 27), "ends within a session"],
    ["a session that is no UTF-8", except.with(30, 0xff), "UTF-8"],
  ];
  for (const [name, bytes, reason] of REFUSED) {
    it(`are not ${name}`, () => {
      const decoded = decodeBrokerMessage(OTHER_ID, bytes);
      assert(decoded !== undefined && "reason" in decoded);
      assertMatch(decoded.reason, new RegExp(reason));
    });
  }

  it("are whatever they are, without an exception", () => {
    const heads = fc.constantFrom(good.subarray(0, 4), good.subarray(0, 20), good.subarray(0, 24));
    fc.assert(fc.property(heads, fc.uint8Array({ maxLength: 60 }), (head, rest) => {
      const decoded = decodeBrokerMessage(OTHER_ID, Uint8Array.from([...head, ...rest]));
      assert(decoded !== undefined || head.length === 4);
    }));
  });
});

describe("encodeSubject()", () => {
  const CASES: [topic: string, subject: string][] = [
    ["room:1/a-b_c@d+e~f", "room:1/a-b_c@d+e~f"],
    ["a.b.c", "a.b.c"],
    ["", "%"],
    ["%", "%25"],
    [".", "%2E"],
    [".a.", "%2Ea%2E"],
    ["a..b", "a.%2Eb"],
    ["a.*.>", "a.%2A.%3E"],
    ["a b\r\n\t", "a%20b%0D%0A%09"],
    ["é😀", "%C3%A9%F0%9F%98%80"],
  ];
  for (const [topic, subject] of CASES) {
    it(`gives ${JSON.stringify(subject)} for ${JSON.stringify(topic)}`, () => {
      assertEquals(encodeSubject(topic), subject);
    });
  }

  it("gives each topic a subject of its own, which is valid", () => {
    const characters = fc.constantFrom(".", "%", "2", "E", "a", " ", "*", "é");
    const topics = fc.string({ unit: characters, maxLength: 8 });
    fc.assert(fc.property(topics, topics, (a, b) => {
      const [one, other] = [encodeSubject(a), encodeSubject(b)];
      assertMatch(one, /^[\w%/:@+~-]+(?:\.[\w%/:@+~-]+)*$/);
      assertEquals(one === other, a === b);
      if (a !== "") assertEquals(decodeURIComponent(one), a);
    }));
  });

  it("keeps the longest topic within a line of NATS", () => {
    assert(encodeSubject("é".repeat(512)).length + 256 < 4096 - 100);
  });
});

describe("the options of brokers", () => {
  it("are checked at once", () => {
    for (const url of ["", "somewhere", 5]) {
      assertThrows(() => redisBroker({ url: url as string }), TypeError, "url must be");
    }
    for (const prefix of ["\ud800", 5]) {
      assertThrows(() => redisBroker({ prefix: prefix as string }), TypeError, "prefix must be");
    }
    for (const servers of ["", [], [5]]) {
      assertThrows(() => natsBroker({ servers: servers as string }), TypeError, "servers must be");
    }
    for (const prefix of ["", "a b", "a.", ">", "é", "a".repeat(257)]) {
      assertThrows(() => natsBroker({ prefix }), TypeError, "prefix must be");
    }
  });
});
