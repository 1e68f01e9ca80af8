/** The most characters of topics that a heartbeat names, about. */
const MAX_LENGTH = 8 * 1024;

/** Names some of the topics each time, and all of them by turns. */
export class TopicRotation {
  #topics: string[] = [];

  /**
   * Gives the next ones.
   *
   * @param all All that there are.
   * @returns Those to name, and whether all that there were at the beginning have been named.
   */
  next(all: Iterable<string>): { topics: string[]; isEnd: boolean } {
    if (this.#topics.length === 0) this.#topics = [...all].reverse();
    const topics: string[] = [];
    for (let length = 0; length < MAX_LENGTH && this.#topics.length > 0;) {
      const topic = this.#topics.pop()!;
      topics.push(topic);
      length += 16 + topic.length;
    }
    return { topics, isEnd: this.#topics.length === 0 };
  }
}
