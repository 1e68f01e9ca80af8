/** The beginning of all names for retained messages; no encoded prefix begins with it. */
const KEPT = "kept:";

/** The suffixes of the names of a topic whose messages are retained: three keys, and the channel `live`. */
export type KeptName = "log" | "meta" | "ids" | "live";

/**
 * The keys and channels of a prefix in Redis. For the prefix `app:` and the topic `news`:
 *
 * | Name                                   | What it is                                            |
 * | -------------------------------------- | ----------------------------------------------------- |
 * | `app:news`                             | the channel of messages that are not retained         |
 * | `kept:app:{news}:live`                 | the channel of retained messages                      |
 * | `kept:app:{news}:log`, `:meta`, `:ids` | the keys of the message store: see `redis_scripts.ts` |
 *
 * No name of one prefix is a name of another, or matches `app:*` or `kept:app:{*` of another: see
 * {@linkcode encodePrefix}.
 */
export class RedisNames {
  readonly #prefix: string;
  readonly #keptStart: string;

  constructor(prefix: string) {
    this.#prefix = encodePrefix(prefix);
    // A hash tag: the text in the first braces decides which node of a cluster has a key.
    this.#keptStart = `${KEPT}${this.#prefix}{`;
  }

  toChannel(topic: string): string {
    return this.#prefix + topic;
  }

  topicOfChannel(channel: string): string {
    return channel.slice(this.#prefix.length);
  }

  toKeptName(topic: string, what: KeptName): string {
    // Empty braces are no hash tag.
    const name = topic === "" ? "%" : topic.replaceAll("%", "%25").replaceAll("}", "%7D");
    return `${this.#keptStart}${name}}:${what}`;
  }

  topicOfLive(channel: string): string {
    const name = channel.slice(this.#keptStart.length, -"}:live".length);
    return name === "%" ? "" : name.replaceAll("%7D", "}").replaceAll("%25", "%");
  }
}

/**
 * Encodes a prefix, as `RedisBrokerOptions.prefix` tells, so that its only colon is at its end, and it contains neither
 * a pattern of Redis nor a hash tag.
 */
export function encodePrefix(prefix: string): string {
  if (prefix === KEPT) return "%6Bept:";
  const hasColon = prefix.endsWith(":");
  const text = encodeURIComponent(hasColon ? prefix.slice(0, -1) : prefix);
  return text.replaceAll("*", "%2A") + (hasColon ? ":" : "%:");
}
