import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "./subscriber.ts";

/** The subscriber, or the session of one, that does not get a message. A retained message outlives subscribers. */
export type Except = Subscriber | string | undefined;

/** A message, and who gets it. */
export interface PublishedContent {
  readonly data: Sendable;
  /** Whether to compress it. Default: from `compression.threshold` on. */
  readonly compress?: boolean | undefined;
  /** Of messages with the same key, subscribers whose `lag` is `"latest"` get the last one. Default: `""`. */
  readonly key?: string | undefined;
  readonly except?: Except;
  /** Those who get it, if it is a notice of presence. Default: all subscribers of the topic. */
  readonly audience?: ReadonlySet<Subscriber> | undefined;
}

/** A message that is published to a topic. */
export interface Publication extends PublishedContent {
  readonly topic: string;
  readonly except?: Subscriber | undefined;
}
