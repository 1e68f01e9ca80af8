import { encodeHex } from "@std/encoding/hex";
import { encodeSubject } from "./nats_subject.ts";

/** What no topic is encoded as: messages that only count. */
const TICK = "!";
/** The longest name of a stream that JetStream takes, in characters. */
const MAX_STREAM_NAME_LENGTH = 255;
/** How much is left of a longer one, before its hash. */
const CUT_LENGTH = 128;

const encoder = new TextEncoder();

/**
 * The names in NATS of what belongs to a prefix. For the prefix `app.admin` and the topic `news`:
 *
 * | Name                  | What it is                                                                  |
 * | --------------------- | --------------------------------------------------------------------------- |
 * | `app:admin.news`      | the subject of messages that are not kept                                   |
 * | `app:admin+kept.news` | the subject that messages to be kept are published to                       |
 * | `app:admin+live.news` | the subject that they are published to again, once they are kept            |
 * | `app+admin+kept`      | the stream that keeps them                                                  |
 *
 * A prefix is one token of the subjects, with a colon for each dot: whatever topic comes behind it, it is
 * not taken for another prefix. No prefix has a colon or a plus.
 */
export class NatsNames {
  readonly #prefix: string;
  /** What the subjects begin with, before a dot, whose messages are kept. */
  readonly kept: string;
  /** What the subjects begin with, before a dot, that these are published to again. */
  readonly live: string;

  constructor(prefix: string) {
    this.#prefix = prefix.replaceAll(".", ":");
    this.kept = `${this.#prefix}+kept`;
    this.live = `${this.#prefix}+live`;
  }

  /** Gives the subject of a topic whose messages are not kept. */
  toSubject(topic: string): string {
    return `${this.#prefix}.${encodeSubject(topic)}`;
  }

  /** Gives the subject that messages of a topic are published to in order to be kept. */
  toKeptSubject(topic: string): string {
    return `${this.kept}.${encodeSubject(topic)}`;
  }

  /** Gives the subject that messages of a topic come from that are kept. */
  toLiveSubject(topic: string): string {
    return `${this.live}.${encodeSubject(topic)}`;
  }

  /**
   * Gives the name of the stream, which is that of a folder too: `+` stands for a dot, which a stream may not
   * have, and `=a` for `A`, since some file systems don't tell capital letters from small ones. A name that
   * would be too long ends in its SHA-256, behind `==`.
   */
  async toStream(): Promise<string> {
    const name = this.kept.replaceAll(":", "+")
      .replaceAll(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`);
    if (name.length <= MAX_STREAM_NAME_LENGTH) return name;
    const hash = await crypto.subtle.digest("SHA-256", encoder.encode(name));
    return `${name.slice(0, CUT_LENGTH)}==${encodeHex(hash)}`;
  }

  /** The subject that ticks are published to. */
  get keptTick(): string {
    return `${this.kept}.${TICK}`;
  }

  /** The subject that ticks come from. */
  get liveTick(): string {
    return `${this.live}.${TICK}`;
  }
}
