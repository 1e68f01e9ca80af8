import type { Position } from "../../resume/position.ts";

export type { Position } from "../../resume/position.ts";

/** What takes part in what a broker does: the server that it is given to. */
export interface BrokerHandler {
  /**
   * Takes a message that was published to a topic, here or elsewhere, in the order of each publisher. The
   * bytes may be changed once it returns.
   */
  receiveMessage(topic: string, message: Uint8Array): void;
  /** Is told that the broker can be reached, each time anew: it is subscribed again to all that it was. */
  receiveConnected(): void;
  /** Is told that the broker can't be reached, at first or any more. It tries again by itself. */
  receiveLost(error: unknown): void;
  /** Is told of an error that leaves the connection to the broker as it is. */
  receiveError(error: unknown): void;
}

/**
 * What brings published messages to the other servers, at most once: {@linkcode HostOptions.broker}. Those
 * for Redis and NATS come along as entry points of their own; this is what to implement for another.
 *
 * A server calls {@linkcode Broker.start} once, and the others only while the broker is connected; never
 * two of `subscribe` and `unsubscribe` at once for one topic. What a topic may be: see
 * {@linkcode HostOptions.broker}.
 */
export interface Broker {
  /**
   * Begins to connect. It does not wait for the connection.
   *
   * @param handler What takes messages, and is told how the connection stands.
   * @throws What makes it impossible to ever connect: a package that is missing, an option that is wrong.
   */
  start(handler: BrokerHandler): Promise<void>;
  /**
   * Publishes a message. The bytes are not changed any more.
   *
   * @returns A promise that resolves when the broker has it, or has what was written before it; rejects
   * where it was lost, also with the connection.
   */
  publish(topic: string, message: Uint8Array): Promise<void>;
  /** Subscribes to topics; for one that is subscribed already it changes nothing. */
  subscribe(topics: readonly string[]): Promise<void>;
  /** Unsubscribes from topics; for one that is not subscribed it changes nothing. */
  unsubscribe(topics: readonly string[]): Promise<void>;
  /** Ends the connection at once, whatever still waits. Nothing is told of it. */
  close(): Promise<void>;
}

/** How long messages are kept, and how many. */
export interface KeepWindow {
  /** How long, in milliseconds. */
  readonly windowMs: number;
  /** How many bytes of a topic; each message counts for 256 more than it has. */
  readonly windowSize: number;
  /** How many bytes of all topics together, if the broker has no bound of its own. */
  readonly totalSize: number;
}

/** A message that is kept. */
export interface KeptMessage {
  /** Its own place. */
  readonly position: Position;
  /**
   * A lower number, with no message of the topic between the two: that of the message before it, or one
   * behind that. Of the first that is read it is the place asked for, if none is missing; if that
   * is not known it may be the number just below its own, and it is 0 if nothing before it is retained.
   */
  readonly previous: number;
  /** What was appended. */
  readonly message: Uint8Array;
}

/** The messages behind a place. */
export interface MissedMessages {
  /** In their order. */
  readonly messages: readonly KeptMessage[];
  /** Whether these are all: no message behind that place is kept no more. */
  readonly isComplete: boolean;
  /** The place of the last of them; if there are none, the place up to which there are none. */
  readonly position: Position;
}

/** What takes the messages that a broker keeps. */
export interface KeptMessagesHandler {
  /**
   * Takes a message of a topic that is subscribed to, in the order of the topic's numbers, each once. The
   * bytes may be changed once it returns. One may be missing, which `previous` of the next one tells.
   */
  receiveKept(topic: string, message: KeptMessage): void;
  /**
   * Is told, now and then, of a place up to which it was given all messages of all topics that it is
   * subscribed to. A broker does so if the numbers of a topic depend on other topics.
   */
  receiveProgress(position: Position): void;
}

/**
 * A broker that can keep messages, so that clients which come back get what they missed, on whichever
 * server: {@linkcode HostOptions.resume}. Those of a topic have one order, which is the same for all
 * servers.
 */
export interface KeepingBroker extends Broker {
  /** Is called once, before `start`, if messages are to be retained. */
  keep(window: KeepWindow, handler: KeptMessagesHandler): void;
  /**
   * Publishes a message, and keeps it. With an id that was used before it changes nothing, so that it can
   * be called again if it is unknown whether the broker has it.
   *
   * @param id At most 64 characters of `A-Z a-z 0-9 _ -` and `:`. Up to the last `:` it stands for a server;
   * behind it is a number that counts up with all that the server appends, also to other topics.
   * @returns A promise that resolves when the broker has it; rejects if that is unknown, or it was refused:
   * `isRefused` of the error is true if another attempt can't help.
   */
  append(topic: string, id: string, message: Uint8Array): Promise<void>;
  /**
   * Reads the messages behind a place.
   *
   * @param after `undefined` if only the topic's present place is wanted; there are no messages then.
   * @param maxSize The most bytes that are wanted, with 256 more for each message than it has: those that
   * come last. A broker may give more, which count for who asked.
   */
  read(topic: string, after: Position | undefined, maxSize?: number): Promise<MissedMessages>;
  /** As {@linkcode Broker.subscribe}; `isKept` tells whether the topics are those whose messages are kept. */
  subscribe(topics: readonly string[], isKept?: boolean): Promise<void>;
  /** As {@linkcode Broker.unsubscribe}. */
  unsubscribe(topics: readonly string[], isKept?: boolean): Promise<void>;
}

/** What happened with a broker: see {@linkcode HostOptions.broker}. */
export type BrokerEvent =
  | {
    /** The broker. */
    type: "broker";
    /** It is connected, for the first time or again. */
    status: "connected" | "reconnected";
  }
  | {
    /** The broker. */
    type: "broker";
    /**
     * `"lost"`: it can't be reached, which is told once until it can be again. `"error"`: something else
     * went wrong, such as a subscription that is not permitted; it is tried again.
     */
    status: "lost" | "error";
    /** Why, as the broker's library says it. */
    error: unknown;
  }
  | {
    /** The broker. */
    type: "broker";
    /** Messages were not published to other servers. */
    status: "dropped";
    /**
     * How many, since this was told last. It is told for the first one, then each time their number has
     * doubled, and when the broker takes messages again.
     */
    messages: number;
    /** Why the last one of them was lost; `undefined` if too much waited. */
    error?: unknown;
  }
  | {
    /** The broker. */
    type: "broker";
    /** Messages came that are not from a server of this library, and were passed over. */
    status: "malformed";
    /** How many, since this was told last: for the first one, then each time their number has doubled. */
    messages: number;
    /** The topic of the last one. */
    topic: string;
    /** What is wrong with the last one. */
    reason: string;
  };

/** What passed through a broker; what servers tell one another of presence is not counted, unless it is malformed. */
export interface BrokerStats {
  /** Whether it is connected. */
  connected: boolean;
  /** The messages that were given to it. */
  published: number;
  /** The messages of other servers that came from it. */
  received: number;
  /** The messages that other servers don't get, as the broker was away for too long, or refused them. */
  dropped: number;
  /** The messages that came from it and are none of this library. */
  malformed: number;
  /** The bytes that wait for it. */
  waitingSize: number;
}
