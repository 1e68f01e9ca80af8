/** What all names of messages that are kept begin with, and no encoded prefix. */
const KEPT = "kept:";

/** What a topic has where its messages are kept: keys, and the channel `live`. */
export type KeptName = "log" | "meta" | "ids" | "live";

/**
 * The names in Redis of what belongs to a prefix. For the prefix `app:` and the topic `news`:
 *
 * | Name                                   | What it is                                            |
 * | -------------------------------------- | ----------------------------------------------------- |
 * | `app:news`                             | the channel of messages that are not kept             |
 * | `kept:app:{news}:live`                 | the channel of messages that are kept                 |
 * | `kept:app:{news}:log`, `:meta`, `:ids` | the keys of what is kept: see `redis_scripts.ts`      |
 *
 * No name of one prefix is a name of another, or matches `app:*` or `kept:app:{*` of another: see
 * {@linkcode encodePrefix}.
 */
export class RedisNames {
  readonly #prefix: string;
  readonly #keptStart: string;

  constructor(prefix: string) {
    this.#prefix = encodePrefix(prefix);
    // What is in the first braces decides which node of a cluster has a key.
    this.#keptStart = `${KEPT}${this.#prefix}{`;
  }

  /** Gives the channel of a topic whose messages are not kept. */
  toChannel(topic: string): string {
    return this.#prefix + topic;
  }

  /** Gives the topic of such a channel. */
  topicOfChannel(channel: string): string {
    return channel.slice(this.#prefix.length);
  }

  /** Gives a name of a topic whose messages are kept. */
  toKeptName(topic: string, what: KeptName): string {
    // Empty braces would decide nothing.
    const name = topic === "" ? "%" : topic.replaceAll("%", "%25").replaceAll("}", "%7D");
    return `${this.#keptStart}${name}}:${what}`;
  }

  /** Gives the topic of a channel of messages that are kept. */
  topicOfLive(channel: string): string {
    const name = channel.slice(this.#keptStart.length, -"}:live".length);
    return name === "%" ? "" : name.replaceAll("%7D", "}").replaceAll("%25", "%");
  }
}

/**
 * Writes a prefix such that it ends with the only colon in it: whatever topic comes behind it, it is not
 * taken for another prefix. All but letters, digits and `- _ . ! ~ ' ( )` is percent-encoded, as in a URL,
 * so that neither a pattern of Redis nor a hash tag is in it. `%:` stands for a last colon that is not there.
 */
export function encodePrefix(prefix: string): string {
  if (prefix === KEPT) return "%6Bept:";
  const hasColon = prefix.endsWith(":");
  const text = encodeURIComponent(hasColon ? prefix.slice(0, -1) : prefix);
  return text.replaceAll("*", "%2A") + (hasColon ? ":" : "%:");
}
