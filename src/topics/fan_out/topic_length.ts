import { MAX_TOPIC_LENGTH } from "../../resume/subprotocol.ts";
import { utf8LengthAbove } from "../../text_size.ts";

/**
 * @param use The feature that limits it, for the error.
 * @param prefixLength How many bytes servers put before the topic.
 * @throws {RangeError} If the topic is too long.
 */
export function checkTopicLength(topic: string, use: string, prefixLength: number = 0): void {
  const max = MAX_TOPIC_LENGTH - prefixLength;
  const length = utf8LengthAbove(topic, max);
  if (length === undefined) return;
  throw new RangeError(`A topic must have at most ${max} bytes with ${use}, got ${length}`);
}
