import { encodeHex } from "@std/encoding/hex";

/** The token of ticks, which no topic is encoded as: see {@linkcode NatsTicks}. */
const TICK = "!";
/** The longest name of a stream that JetStream accepts, in characters. */
const MAX_STREAM_NAME_LENGTH = 255;
/** The length that a longer name is cut to, before its hash. */
const CUT_LENGTH = 128;

/** A character that is not escaped in a subject. */
const PLAIN = /[\w/:@+~-]/;

const encoder = new TextEncoder();

/**
 * The subjects and stream names of a prefix. For the prefix `app.admin` and the topic `news`:
 *
 * | Name                  | What it is                                                                  |
 * | --------------------- | --------------------------------------------------------------------------- |
 * | `app:admin.news`      | the subject of messages that are not retained                               |
 * | `app:admin+kept.news` | the subject that messages to be retained are published to                   |
 * | `app:admin+live.news` | the subject that JetStream republishes them to once they are stored         |
 * | `app+admin+kept`      | the stream that stores them                                                 |
 *
 * A prefix is one token of the subjects, with a colon for each dot, so that no topic makes it look like
 * another prefix: no prefix has a colon or a plus.
 */
export class NatsNames {
  readonly #prefix: string;
  /** The beginning of the subjects whose messages are stored, before a dot. */
  readonly kept: string;
  /** The beginning of the subjects that these messages are republished to, before a dot. */
  readonly live: string;

  readonly keptTick: string;
  readonly liveTick: string;

  constructor(prefix: string) {
    this.#prefix = prefix.replaceAll(".", ":");
    this.kept = `${this.#prefix}+kept`;
    this.live = `${this.#prefix}+live`;
    this.keptTick = `${this.kept}.${TICK}`;
    this.liveTick = `${this.live}.${TICK}`;
  }

  toSubject(topic: string): string {
    return `${this.#prefix}.${encodeSubject(topic)}`;
  }

  toKeptSubject(topic: string): string {
    return `${this.kept}.${encodeSubject(topic)}`;
  }

  toLiveSubject(topic: string): string {
    return `${this.live}.${encodeSubject(topic)}`;
  }

  /**
   * Returns the name of the stream. JetStream uses it as the name of a folder: `+` stands for a dot, which is
   * not allowed, and `=a` for `A`, since some file systems ignore case. A name that would be too long is cut,
   * and ends with `==` and its SHA-256.
   */
  async toStream(): Promise<string> {
    const name = this.kept.replaceAll(":", "+")
      .replaceAll(/[A-Z]/g, (letter) => `=${letter.toLowerCase()}`);
    if (name.length <= MAX_STREAM_NAME_LENGTH) return name;
    const hash = await crypto.subtle.digest("SHA-256", encoder.encode(name));
    return `${name.slice(0, CUT_LENGTH)}==${encodeHex(hash)}`;
  }
}

/** Encodes a topic as the end of a subject, as {@linkcode natsBroker} tells. No two topics have the same one. */
export function encodeSubject(topic: string): string {
  if (topic === "") return "%";
  let subject = "";
  let wasDot = true;
  const characters = [...topic];
  for (const [index, character] of characters.entries()) {
    const isDot: boolean = character === "." && !wasDot && index < characters.length - 1;
    subject += isDot || PLAIN.test(character) ? character : escape(character);
    wasDot = isDot;
  }
  return subject;
}

function escape(character: string): string {
  return encodeHex(encoder.encode(character)).toUpperCase().replace(/../g, "%$&");
}
