/** The longest topic that others are told of, in bytes of UTF-8: what brokers take, encoded as they need it. */
const MAX_TOPIC_LENGTH = 1024;
/** A UTF-16 code unit has three bytes of UTF-8 at most. */
const SURELY_SHORT = Math.floor(MAX_TOPIC_LENGTH / 3);

const encoder = new TextEncoder();

/**
 * Checks the length of a topic.
 *
 * @param use What it is to be used with.
 * @throws {RangeError} Where it is too long.
 */
export function checkTopicLength(topic: string, use: string): void {
  if (topic.length <= SURELY_SHORT) return;
  const { length } = encoder.encode(topic);
  if (length <= MAX_TOPIC_LENGTH) return;
  throw new RangeError(
    `Cannot use a topic of ${length} bytes with ${use}: it has ${MAX_TOPIC_LENGTH} at most`,
  );
}
