import { checkTopicLength } from "../../resume/subprotocol.ts";

/** The beginning of the topics that servers use among themselves. */
export const PRESENCE_PREFIX = "$presence/";

/**
 * @param prefixLength How many bytes servers put before the topic.
 * @throws {TypeError} If it has a lone surrogate, which UTF-8 can't encode, or servers use it among themselves.
 * @throws {RangeError} If it is too long.
 */
export function checkBrokerTopic(topic: string, prefixLength: number = 0): void {
  checkWellFormed("topic", topic);
  if (topic.startsWith(PRESENCE_PREFIX)) {
    const got = JSON.stringify(topic);
    throw new TypeError(
      `With a broker, a topic must not begin with ${PRESENCE_PREFIX}, got ${got}`,
    );
  }
  const use = prefixLength === 0 ? "a broker" : "a broker and presence";
  checkTopicLength(topic, use, prefixLength);
}

/** @throws {TypeError} If a text has a lone surrogate, which UTF-8 can't encode. `what` names it in the error. */
export function checkWellFormed(what: string, text: string): void {
  if (text.isWellFormed()) return;
  const got = JSON.stringify(text);
  throw new TypeError(`With a broker, a ${what} must have no lone surrogates, got ${got}`);
}
