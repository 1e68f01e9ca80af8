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
    /** Why the last one of them was lost; `undefined` where too much waited. */
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
