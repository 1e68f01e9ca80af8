import { describe, it } from "node:test";
import { assert, assertEquals, assertMatch, assertNotEquals } from "@std/assert";
import fc from "fast-check";
import { NatsNames } from "../../src/brokers/nats_names.ts";
import { encodePrefix, type KeptName, RedisNames } from "../../src/brokers/redis_names.ts";

const SETTINGS = { seed: 15, numRuns: 3_000 };
const KEPT: readonly KeptName[] = ["log", "meta", "ids", "live"];

/** A program's part in a broker: its prefix, and a topic of it. */
type Part = [prefix: string, topic: string];

/** Texts that mean something to Redis, to NATS, or to the encoding of names. */
const pieces = fc.constantFrom(
  ...[":", ":", "app", "app:", "kept:", "%", "%:", "%7D", "%3A", "%6B", "{", "}", "{}", "{t}", "*"],
  ...["?", "[a]", "[", "]", "\\", "^", ".", ">", "+", "+kept", "+live", "!", "=", "==", "~", "'"],
  ...[":live", "}:live", "}:log", "$presence/", "servers", "é", "e\u0301", "\ufeff", "\ufffd"],
  ...["\0", "\r\n", " ", "A", "a", "1", "😀", "x".repeat(300)],
);
const texts = fc.array(pieces, { maxLength: 6 }).map((some) => some.join(""));
/** One text that is cut into prefix and topic at two places. */
const cuts = fc.array(pieces, { minLength: 1, maxLength: 8 }).chain((some) =>
  fc.tuple(fc.nat(some.length), fc.nat(some.length)).map((places) =>
    places.map((place): Part => [some.slice(0, place).join(""), some.slice(place).join("")])
  )
);
const redisParts = fc.oneof(
  cuts,
  fc.array(fc.tuple(texts, texts), { minLength: 2, maxLength: 2 }),
);

const words = fc.array(
  fc.constantFrom("app", "App", "APP", "kept", "live", "a", "A", "_", "-", "1", "x".repeat(130)),
  { minLength: 1, maxLength: 3 },
).map((some) => some.join("")).filter((word) => word.length <= 256);
const natsPrefixes = fc.array(words, { minLength: 1, maxLength: 4 })
  .map((some) => some.join(".")).filter((prefix) => prefix.length <= 256);
const natsParts = fc.oneof(
  // One subject whose tokens belong to the prefix or to the topic.
  fc.tuple(fc.array(words, { minLength: 2, maxLength: 5 }), fc.nat(3), fc.nat(3)).map(
    ([some, ...places]) =>
      places.map((place): Part => {
        const cut = 1 + place % (some.length - 1);
        return [some.slice(0, cut).join("."), some.slice(cut).join(".")];
      }),
  ).filter((parts) => parts.every(([prefix]) => prefix.length <= 256)),
  fc.array(fc.tuple(natsPrefixes, texts), { minLength: 2, maxLength: 2 }),
);

function isSame([prefix, topic]: Part, [otherPrefix, otherTopic]: Part): boolean {
  return prefix === otherPrefix && topic === otherTopic;
}

/** Checks that all names are different, unless the parts are the same. */
function assertApart([one, other]: Part[], namesOf: (part: Part) => string[]): void {
  const names = isSame(one, other) ? namesOf(one) : [...namesOf(one), ...namesOf(other)];
  assertEquals(new Set(names).size, names.length, names.join("\n"));
}

/** Tells whether a pattern of Redis takes a text: `*`, `?`, `[...]` and `\` are special, all else stands for itself. */
function matchesRedis(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(
    /\\(.)|\[([^\]]*)\]|[^]/gsu,
    (piece, escaped?: string, set?: string) => {
      if (escaped !== undefined) return quote(escaped);
      if (set !== undefined) return `[${[...set].map(quote).join("")}]`;
      if (piece === "*") return "[^]*";
      return piece === "?" ? "[^]" : quote(piece);
    },
  );
  return new RegExp(`^${source}$`, "u").test(text);
}

function quote(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
}

/** Tells whether a subject of NATS, which may have wildcards, takes another. */
function matchesNats(pattern: string, subject: string): boolean {
  const tokens = subject.split(".");
  const wanted = pattern.split(".");
  const end = wanted.indexOf(">");
  if (end === -1 ? tokens.length !== wanted.length : tokens.length <= end) return false;
  return wanted.every((token, index) =>
    (end !== -1 && index >= end) || token === "*" || token === tokens[index]
  );
}

/** What decides which node of a cluster has a key: what is in the first braces, unless they are empty. */
function hashTagOf(key: string): string {
  return /^[^{]*\{([^}]+)\}/.exec(key)?.[1] ?? key;
}

describe("the names in Redis", () => {
  const namesOf = ([prefix, topic]: Part) => {
    const names = new RedisNames(prefix);
    return [names.toChannel(topic), ...KEPT.map((what) => names.toKeptName(topic, what))];
  };

  it("are of one prefix, topic and use alone", () => {
    fc.assert(fc.property(redisParts, (parts) => assertApart(parts, namesOf)), SETTINGS);
  });

  it("match no pattern for those of another prefix", () => {
    fc.assert(
      fc.property(redisParts, ([[prefix, topic], other]) => {
        const name = new RedisNames(prefix);
        const patterns = [name.toChannel("*"), `kept:${encodePrefix(prefix)}{*`];
        const own = namesOf([prefix, topic]);
        assertEquals(own.map((each) => patterns.findIndex((one) => matchesRedis(one, each))), [
          ...[0, 1, 1, 1, 1],
        ]);
        if (other[0] === prefix) return;
        for (const each of namesOf(other)) {
          for (const pattern of patterns) assert(!matchesRedis(pattern, each), pattern);
        }
      }),
      SETTINGS,
    );
  });

  it("tell their topic", () => {
    fc.assert(
      fc.property(texts, texts, (prefix, topic) => {
        const names = new RedisNames(prefix);
        assertEquals(names.topicOfChannel(names.toChannel(topic)), topic);
        assertEquals(names.topicOfLive(names.toKeptName(topic, "live")), topic);
      }),
      SETTINGS,
    );
  });

  it("have those of a kept topic on one node of a cluster, by the topic", () => {
    fc.assert(
      fc.property(texts, texts, (prefix, topic) => {
        const names = new RedisNames(prefix);
        const tags = KEPT.map((what) => hashTagOf(names.toKeptName(topic, what)));
        const alone = KEPT.map((what) => hashTagOf(new RedisNames("app:").toKeptName(topic, what)));
        assertEquals(tags, alone);
        assertEquals(new Set(tags).size, 1);
      }),
      SETTINGS,
    );
  });

  const NAMES: [prefix: string, encoded: string][] = [
    ["sluice:", "sluice:"],
    ["my-app_2.x:", "my-app_2.x:"],
    ["app:admin:", "app%3Aadmin:"],
    ["app", "app%:"],
    ["", "%:"],
    [":", ":"],
    ["kept:", "%6Bept:"],
    ["50%:", "50%25:"],
    ["a*?[b]\\{c} d:", "a%2A%3F%5Bb%5D%5C%7Bc%7D%20d:"],
    ["é:", "%C3%A9:"],
  ];
  for (const [prefix, encoded] of NAMES) {
    it(`begin with ${JSON.stringify(encoded)} for the prefix ${JSON.stringify(prefix)}`, () => {
      const names = new RedisNames(prefix);
      assertEquals(names.toChannel("a:b"), `${encoded}a:b`);
      assertEquals(names.toKeptName("a:}%", "log"), `kept:${encoded}{a:%7D%25}:log`);
      assertEquals(names.toKeptName("", "ids"), `kept:${encoded}{%}:ids`);
    });
  }
});

describe("the names in NATS", () => {
  const namesOf = ([prefix, topic]: Part) => {
    const names = new NatsNames(prefix);
    const own = [names.toSubject(topic), names.toKeptSubject(topic), names.toLiveSubject(topic)];
    return [...own, names.keptTick, names.liveTick];
  };

  it("are of one prefix, topic and use alone", () => {
    fc.assert(
      fc.property(natsParts, (parts) => {
        assertApart(parts, (part) => namesOf(part).slice(0, 3));
        const [[prefix], other] = parts;
        if (prefix !== other[0]) assertApart(parts, namesOf);
      }),
      SETTINGS,
    );
  });

  it("match no wildcard for those of another prefix", () => {
    fc.assert(
      fc.property(natsParts, ([[prefix, topic], other]) => {
        const names = new NatsNames(prefix);
        const start = names.toSubject("x").slice(0, -"x".length);
        const patterns = [`${start}>`, `${names.kept}.>`, `${names.live}.>`];
        const own = namesOf([prefix, topic]);
        assertEquals(
          own.map((each) => patterns.findIndex((one) => matchesNats(one, each))),
          [0, 1, 2, 1, 2],
        );
        // A name is no wildcard itself.
        for (const each of own) assertEquals(own.filter((one) => matchesNats(each, one)), [each]);
        if (other[0] === prefix) return;
        for (const each of namesOf(other)) {
          for (const pattern of patterns) assert(!matchesNats(pattern, each), pattern);
        }
      }),
      SETTINGS,
    );
  });

  const streamOf = (prefix: string) => new NatsNames(prefix).toStream();

  it("are valid, and the streams are folders of their own", async () => {
    await fc.assert(
      fc.asyncProperty(natsParts, async ([one, other]) => {
        for (const name of namesOf(one)) {
          assertMatch(name, /^[\w%/:@+~!-]+(?:\.[\w%/:@+~!-]+)*$/);
        }
        const [stream, otherStream] = [await streamOf(one[0]), await streamOf(other[0])];
        assertMatch(stream, /^[a-z0-9_+=-]{1,255}$/);
        if (one[0] !== other[0]) assertNotEquals(stream, otherStream);
      }),
      SETTINGS,
    );
  });

  it("are what is written down", async () => {
    const names = new NatsNames("app.Admin");
    assertEquals(names.toSubject("a.b c"), "app:Admin.a.b%20c");
    assertEquals(names.toKeptSubject(""), "app:Admin+kept.%");
    assertEquals(names.toLiveSubject("x"), "app:Admin+live.x");
    assertEquals([names.keptTick, names.liveTick], ["app:Admin+kept.!", "app:Admin+live.!"]);
    assertEquals(await names.toStream(), "app+=admin+kept");
    assertEquals(new NatsNames("sluice").toSubject("x"), "sluice.x");
    assertEquals(await streamOf("sluice"), "sluice+kept");
  });

  it("fit into what JetStream takes, however long a prefix is", async () => {
    const prefixes = ["a".repeat(250), "a".repeat(251), "a".repeat(256), `${"a".repeat(255)}b`];
    const streams = await Promise.all(prefixes.map(streamOf));
    assertEquals(streams[0], `${"a".repeat(250)}+kept`);
    assertEquals(new Set(streams).size, 4);
    for (const stream of streams.slice(1)) assertMatch(stream, /^a{128}==[0-9a-f]{64}$/);
  });
});
