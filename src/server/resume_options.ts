import { checkDuration, checkFunction, checkInteger, type Optional } from "../checks.ts";
import { withDefaults } from "../connection/options.ts";
import { checkDecision, refusePromise } from "../hook_answers.ts";
import { callHook } from "../hooks.ts";
import type { Broker } from "../topics/cluster/broker.ts";
import type { ResumeSettings } from "../topics/retention/memory_store.ts";

/** The published messages that are retained for clients that come back. */
export interface ResumeOptions {
  /**
   * How long a message is retained, in milliseconds: an integer from 1 to 2,147,483,647, or `Infinity`.
   *
   * @default {120000}
   */
  windowMs: number;
  /**
   * How many bytes of a topic are retained: 0 or more, or `Infinity`. Each message counts for 256 bytes more
   * than it has. Past it, the oldest are dropped.
   *
   * @default {1048576}
   */
  windowSize: number;
  /**
   * How many bytes of all topics together are retained: 0 or more, or `Infinity`. Past it, the oldest are
   * dropped.
   *
   * @default {67108864}
   */
  totalSize: number;
  /**
   * How many bytes of missed messages all clients of one address together get in a minute: 0 or more, or
   * `Infinity`. Each message counts for 256 bytes more than it has. All of them may be used at once, and are
   * refilled over the minute. Past it, a client gets the newest messages that there is room for, and is told
   * that it lost those before. IPv6 addresses with the same first 64 bits count as one. Behind a proxy all
   * clients have the proxy's address: allow for all clients that may come back at once.
   *
   * @default {67108864}
   */
  replaySizePerMinute: number;
  /**
   * Tells whether the messages of a topic are retained: always the same for a topic, and on all servers
   * that have the same broker. By default those of all topics are. It answers at once, with true or
   * false: if it throws, or gives anything else, they are not retained, and the error is reported to
   * `onError`.
   */
  topics: (topic: string) => boolean;
}

/**
 * Checks the option, and fills in the defaults.
 *
 * @param onError Takes what `topics` throws.
 * @throws {RangeError} If a number is out of its range.
 * @throws {TypeError} If an option is of another type or unknown, or the broker can't retain messages.
 */
export function resolveResume(
  given: Optional<ResumeOptions> | boolean | undefined,
  broker: Broker | undefined,
  onError: (error: unknown) => void,
): ResumeSettings | undefined {
  if (given === undefined || given === false) return undefined;
  const options = withDefaults<ResumeOptions>("resume", given === true ? {} : given, {
    windowMs: 120_000,
    windowSize: 1024 * 1024,
    totalSize: 64 * 1024 * 1024,
    replaySizePerMinute: 64 * 1024 * 1024,
    topics: () => true,
  }, "a boolean");
  checkDuration("resume.windowMs", options.windowMs);
  checkInteger("resume.windowSize", options.windowSize, 0);
  checkInteger("resume.totalSize", options.totalSize, 0);
  checkInteger("resume.replaySizePerMinute", options.replaySizePerMinute, 0);
  checkFunction("resume.topics", options.topics);
  if (broker !== undefined && typeof (broker as { keep?: unknown }).keep !== "function") {
    throw new TypeError("Cannot resume with this broker: it has no method keep");
  }
  return {
    ...options,
    topics: (topic) => {
      let isRetained = false;
      callHook(() => {
        const answer = options.topics(topic);
        refusePromise("resume.topics", answer, onError);
        checkDecision("resume.topics", answer);
        isRetained = answer;
      }, onError);
      return isRetained;
    },
  };
}
