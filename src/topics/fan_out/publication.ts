import type { Sendable } from "../../connection/connection.ts";
import type { Subscriber } from "./subscriber.ts";

/** The subscriber that does not get a message, or its session, since retained messages outlive subscribers. */
export type Except = Subscriber | string | undefined;

export interface PublishedContent {
  readonly data: Sendable;
  /** Whether to compress it. Default: from `compression.threshold` on. */
  readonly compress?: boolean | undefined;
  /** With `lag: "latest"`, slow subscribers get the last message of each key. Default: `""`. */
  readonly key?: string | undefined;
  readonly except?: Except;
  /** The only subscribers that get it, if it is a notice of presence. Default: all subscribers of the topic. */
  readonly audience?: ReadonlySet<Subscriber> | undefined;
}

export interface Publication extends PublishedContent {
  readonly topic: string;
  readonly except?: Subscriber | undefined;
}
