import { Buffer } from "node:buffer";
import type {
  KeepWindow,
  KeptMessage,
  MissedMessages,
  Position,
} from "../topics/cluster/broker.ts";
import type { RedisNames } from "./redis_names.ts";
import { RefusedError } from "./broker_error.ts";
import { APPEND, READ } from "./redis_scripts.ts";
import { isErrorObject } from "../values.ts";

/** Sends a command; strings of its reply are bytes. */
export type SendCommand = (words: readonly (string | Buffer)[]) => Promise<unknown>;

/** Stands for no epoch: no epoch has this character. */
const NO_EPOCH = "?";
/** The errors for which a retry is pointless. Others are temporary: `OOM`, `READONLY`, `LOADING` ... */
const REFUSALS = new Set(["NOPERM", "WRONGTYPE", "ERR"]);
const LINE_FEED = 10;
/** A window that Redis can still compute with; longer than any use. */
const MAX_WINDOW_MS = 2 ** 50;

/** A script and its SHA-1, by which Redis calls it. */
interface Script {
  readonly text: string;
  hash: string | Buffer;
}

/** An entry of a stream: its id and its fields, in pairs of name and value. */
type Entry = [id: Buffer, fields: [Buffer, Buffer, Buffer, Buffer]];

/** The message store of Redis: a stream for each topic. */
export class RedisLog {
  readonly #window: KeepWindow;
  readonly #names: RedisNames;
  readonly #publish: string;
  readonly #send: SendCommand;
  readonly #append: Script = { text: APPEND, hash: "" };
  readonly #read: Script = { text: READ, hash: "" };
  readonly #newEpoch: string = crypto.randomUUID().replaceAll("-", "").slice(0, 20);
  #newEpochCount = 0;

  constructor(window: KeepWindow, names: RedisNames, isSharded: boolean, send: SendCommand) {
    this.#window = window;
    this.#names = names;
    this.#publish = isSharded ? "SPUBLISH" : "PUBLISH";
    this.#send = send;
  }

  async open(): Promise<void> {
    for (const script of [this.#append, this.#read]) {
      script.hash = await this.#send(["SCRIPT", "LOAD", script.text]) as Buffer;
    }
  }

  async append(topic: string, id: string, message: Uint8Array): Promise<void> {
    const bytes = Buffer.from(message.buffer, message.byteOffset, message.length);
    const keys = [...this.#keys(topic), this.#names.toKeptName(topic, "live")];
    const { windowSize } = this.#window;
    const room = Number.isFinite(windowSize) ? `${windowSize}` : "inf";
    try {
      await this.#run(this.#append, keys, [...this.#base(), room, this.#publish, id, bytes]);
    } catch (error) {
      throw toRefusal(topic, error);
    }
  }

  async read(
    topic: string,
    after: Position | undefined,
    maxSize: number = Infinity,
  ): Promise<MissedMessages> {
    const { epoch: knownEpoch, number } = after ?? { epoch: NO_EPOCH, number: 0 };
    const most = Number.isFinite(maxSize) ? `${Math.floor(maxSize)}` : "inf";
    const args = [...this.#base(), knownEpoch, `${number}`, most];
    const reply = await this.#run(this.#read, this.#keys(topic), args);
    const [epochBytes, last, now, entries] = reply as [Buffer, number, number, Entry[]];
    const epoch = epochBytes.toString("latin1");
    const oldest = now - this.#window.windowMs;
    const messages: KeptMessage[] = [];
    for (const [id, [, , , message]] of entries) {
      const [number, time] = id.toString("latin1").split("-").map(Number) as [number, number];
      if (time < oldest) continue;
      messages.push({ position: { epoch, number }, previous: number - 1, message });
    }
    return {
      messages,
      isComplete: after === undefined || after.epoch === epoch &&
          (messages.length === 0 ? last === after.number : messages[0]!.previous === after.number),
      position: { epoch, number: last },
    };
  }

  /** Parses a message from a channel; `undefined` if no server published it. */
  parse(channel: Buffer, payload: Buffer): { topic: string; message: KeptMessage } | undefined {
    const headLength = payload.indexOf(LINE_FEED);
    const head = payload.subarray(0, Math.max(headLength, 0)).toString("latin1");
    const [, epoch, digits] = /^([\w-]{1,32}) (\d{1,16})$/.exec(head) ?? [];
    if (epoch === undefined) return undefined;
    const number = Number(digits);
    const message = payload.subarray(headLength + 1);
    return {
      topic: this.#names.topicOfLive(channel.toString()),
      message: { position: { epoch, number }, previous: number - 1, message },
    };
  }

  #keys(topic: string): string[] {
    return (["log", "meta", "ids"] as const).map((what) => this.#names.toKeptName(topic, what));
  }

  /** The arguments common to both scripts: an unused epoch, in case one is needed, and the window. */
  #base(): string[] {
    const epoch = `${this.#newEpoch}-${(this.#newEpochCount++).toString(36)}`;
    return [epoch, `${Math.min(Math.ceil(this.#window.windowMs), MAX_WINDOW_MS)}`];
  }

  async #run(script: Script, keys: string[], args: (string | Buffer)[]): Promise<unknown> {
    const rest = [`${keys.length}`, ...keys, ...args];
    try {
      return await this.#send(["EVALSHA", script.hash, ...rest]);
    } catch (error) {
      // `NOSCRIPT`: the script cache was flushed.
      if (!isErrorObject(error) || codeOf(error) !== "NOSCRIPT") throw error;
    }
    return await this.#send(["EVAL", script.text, ...rest]);
  }
}

/** Returns the code of a Redis error: its first word, or, for errors of scripts in old versions, a later one. */
function codeOf({ message }: Error): string | undefined {
  const [, inner] = /@user_script: ?\d+: -?([A-Z]+) /.exec(message) ?? [];
  return inner ?? /^([A-Z]+) /.exec(message)?.[1];
}

/** Converts an error to a `RefusedError` if a retry is pointless. */
function toRefusal(topic: string, error: unknown): unknown {
  if (!isErrorObject(error) || !REFUSALS.has(codeOf(error) ?? "")) return error;
  return new RefusedError(topic, error.message, error);
}
