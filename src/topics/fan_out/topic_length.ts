import { MAX_TOPIC_LENGTH } from "../../resume/subprotocol.ts";

const encoder = new TextEncoder();

/**
 * Checks the length of a topic.
 *
 * @param use The feature that limits it, for the error.
 * @param more The number of bytes that servers add to it.
 * @throws {RangeError} If it is too long.
 */
export function checkTopicLength(topic: string, use: string, more: number = 0): void {
  const max = MAX_TOPIC_LENGTH - more;
  // A UTF-16 code unit has three bytes of UTF-8 at most.
  if (topic.length * 3 <= max) return;
  const { length } = encoder.encode(topic);
  if (length <= max) return;
  throw new RangeError(`A topic must have at most ${max} bytes with ${use}, got ${length}`);
}
