import { checkTopicLength } from "../fan_out/topic_length.ts";

/** What topics of the broker begin with that servers use among themselves. */
export const PRESENCE_PREFIX = "$presence/";

/**
 * Checks a topic that is to go to a broker.
 *
 * @param more How many bytes more are to go there.
 * @throws {TypeError} Where it has half of a surrogate pair: it has no form in UTF-8. Where it is one that
 * servers use among themselves.
 * @throws {RangeError} Where it is too long.
 */
export function checkBrokerTopic(topic: string, more: number = 0): void {
  checkWellFormed("topic", topic);
  if (topic.startsWith(PRESENCE_PREFIX)) {
    throw new TypeError(
      `With a broker, a topic must not begin with ${PRESENCE_PREFIX}, got ${JSON.stringify(topic)}`,
    );
  }
  checkTopicLength(topic, more === 0 ? "a broker" : "a broker and presence", more);
}

/**
 * Checks a text that is to go to a broker.
 *
 * @param what What it is.
 * @throws {TypeError} Where it has half of a surrogate pair: it has no form in UTF-8, and would become another.
 */
export function checkWellFormed(what: string, text: string): void {
  if (text.isWellFormed()) return;
  throw new TypeError(
    `With a broker, a ${what} must have no lone surrogates, got ${JSON.stringify(text)}`,
  );
}
