import type { Position } from "../../resume/position.ts";

export type { Position } from "../../resume/position.ts";

/** The server that a broker works for, as the broker sees it. */
export interface BrokerHandler {
  /**
   * Takes a message that was published to a topic, by this or another server. Messages of one server come in their
   * order. The bytes are borrowed: the broker may reuse them after the call.
   */
  receiveMessage(topic: string, message: Uint8Array): void;
  /** Called when the broker is connected, for the first time or again, and has renewed its subscriptions. */
  receiveConnected(): void;
  /** Called when the broker can't connect, or has lost its connection. It keeps trying. */
  receiveLost(error: unknown): void;
  /** Called with an error after which the connection stays as it is. */
  receiveError(error: unknown): void;
}

/**
 * Passes published messages on to the other servers, at most once: {@linkcode HostOptions.broker}. There are brokers for
 * Redis and NATS in entry points of their own; implement this interface for another.
 *
 * A server calls {@linkcode Broker.start} once, and the other methods only while the broker is connected. For one topic,
 * calls of `subscribe` and `unsubscribe` never overlap. {@linkcode HostOptions.broker} tells what a topic may be.
 */
export interface Broker {
  /**
   * Starts to connect, without waiting for the connection.
   *
   * @param handler Takes messages and the changes of the connection.
   * @throws If it can never connect: a package is missing, or an option is wrong.
   */
  start(handler: BrokerHandler): Promise<void>;
  /**
   * Publishes a message. The server does not change the bytes any more.
   *
   * @returns A promise that resolves when the broker has the message, or has all that was written before it; rejects
   * if the message is lost, also with the connection.
   */
  publish(topic: string, message: Uint8Array): Promise<void>;
  /** Subscribes to topics; has no effect on those that are subscribed. */
  subscribe(topics: readonly string[]): Promise<void>;
  /** Unsubscribes from topics; has no effect on those that are not subscribed. */
  unsubscribe(topics: readonly string[]): Promise<void>;
  /** Ends the connection at once, without waiting for anything. The handler is not called. */
  close(): Promise<void>;
}

/** How long, and how many, messages are retained. */
export interface KeepWindow {
  /** How long, in milliseconds. */
  readonly windowMs: number;
  /** How many bytes of a topic; each message counts for 256 more than it has. */
  readonly windowSize: number;
  /** How many bytes of all topics together, if the broker has no limit of its own. */
  readonly totalSize: number;
}

/** A retained message. */
export interface KeptMessage {
  /** The position of the message. */
  readonly position: Position;
  /**
   * A number below that of `position`, with no message of the topic between the two: that of the message before, or
   * a greater one. For the first message of `read`, it is the number of `after` if no message is missing; otherwise it
   * may be one less than that of `position`, and is 0 if nothing before it is retained.
   */
  readonly previous: number;
  /** The bytes that were appended. */
  readonly message: Uint8Array;
}

/** The messages after a position. */
export interface MissedMessages {
  /** In their order. */
  readonly messages: readonly KeptMessage[];
  /** Whether these are all: `false` if some are no longer retained. */
  readonly isComplete: boolean;
  /** The position of the last message; if there is none, a position up to which there is none. */
  readonly position: Position;
}

/** Takes the messages that a broker retains. */
export interface KeptMessagesHandler {
  /**
   * Takes a message of a subscribed topic. Those of a topic come in the order of their numbers, each once. If one is
   * missing, `previous` of the next one tells. The bytes are borrowed: the broker may reuse them after the call.
   */
  receiveKept(topic: string, message: KeptMessage): void;
  /**
   * Called now and then with a position up to which it got all messages of all subscribed topics, by a broker that
   * numbers the messages of all topics together.
   */
  receiveProgress(position: Position): void;
}

/**
 * A broker that can retain messages, so that clients which reconnect, to any server, get those that they missed:
 * {@linkcode HostOptions.resume}. The messages of a topic have the same order on all servers.
 */
export interface KeepingBroker extends Broker {
  /** Called once, before `start`, if messages are to be retained. */
  keep(window: KeepWindow, handler: KeptMessagesHandler): void;
  /**
   * Publishes a message, and retains it. Has no effect if the id was used before, so that it can be called again if it
   * is unknown whether the broker has the message.
   *
   * @param id At most 64 characters of `A-Z a-z 0-9 _ -` and `:`. The part before the last `:` identifies the server;
   * the number after it increases with each message that the server appends, to any topic.
   * @returns A promise that resolves when the broker has the message; rejects if that is unknown, or if the broker
   * refused the message: then `isRefused` of the error is `true`, and another attempt can't help.
   */
  append(topic: string, id: string, message: Uint8Array): Promise<void>;
  /**
   * Reads the messages after a position.
   *
   * @param after `undefined` to get the topic's current position, without messages.
   * @param maxSize How many bytes to read at most, of the last messages; each counts for 256 more than it has. A broker
   * may return more, which count against the client's limit.
   */
  read(topic: string, after: Position | undefined, maxSize?: number): Promise<MissedMessages>;
  /** As {@linkcode Broker.subscribe}; `isKept` tells whether the messages of the topics are retained. */
  subscribe(topics: readonly string[], isKept?: boolean): Promise<void>;
  /** As {@linkcode Broker.unsubscribe}. */
  unsubscribe(topics: readonly string[], isKept?: boolean): Promise<void>;
}

/** An event of a broker: see {@linkcode HostOptions.broker}. */
export type BrokerEvent =
  | {
    /** The broker. */
    type: "broker";
    /** The broker is connected, for the first time or again. */
    status: "connected" | "reconnected";
  }
  | {
    /** The broker. */
    type: "broker";
    /**
     * `"lost"`: the broker can't be reached, which is reported once until it is connected. `"error"`: another
     * failure, such as a subscription that is not permitted, which is tried again.
     */
    status: "lost" | "error";
    /** The error of the broker's library. */
    error: unknown;
  }
  | {
    /** The broker. */
    type: "broker";
    /** Messages were not published to the other servers. */
    status: "dropped";
    /**
     * The number of messages since the last such event. There is one for the first message, then each time the number
     * has doubled, and when no message waits any more.
     */
    messages: number;
    /** Why the last message was lost; `undefined` if too many bytes waited. */
    error?: unknown;
  }
  | {
    /** The broker. */
    type: "broker";
    /** Messages came that are not from a server of this library, and were ignored. */
    status: "malformed";
    /** The number since the last such event: there is one for the first, then each time the number has doubled. */
    messages: number;
    /** The topic of the last message. */
    topic: string;
    /** What is wrong with the last message. */
    reason: string;
  };

/** The figures of a broker. Messages between servers about presence count only if they are malformed. */
export interface BrokerStats {
  /** Whether it is connected. */
  connected: boolean;
  /** The messages published to it. */
  published: number;
  /** The messages of other servers received from it. */
  received: number;
  /** The messages that other servers don't get, since the broker was away for too long, or refused them. */
  dropped: number;
  /** The messages received from it that are not from a server of this library. */
  malformed: number;
  /** The bytes that wait for it. */
  waitingSize: number;
}
