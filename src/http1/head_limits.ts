import type { Names } from "../checks.ts";
import { checks } from "../loaded_checks.ts";

/** Limits of a request or response head. `Infinity` means no limit. */
export interface RequestHeadLimits {
  /**
   * The size of the whole head in bytes, including the empty line at its end. A larger request is refused
   * with 431.
   *
   * @default {16384}
   */
  maxHeadSize: number;
  /**
   * The size of one line in bytes, without its CR LF. A longer request line is refused with 414, a longer
   * header line with 431.
   *
   * @default {8192}
   */
  maxLineSize: number;
  /**
   * The number of header lines. A request with more is refused with 431.
   *
   * @default {100}
   */
  maxFields: number;
}

const NAMES: Names<RequestHeadLimits> = { maxHeadSize: true, maxLineSize: true, maxFields: true };

/** Those that were checked: a server has one parser for each request, and the same limits for all. */
const checked: WeakSet<Partial<RequestHeadLimits>> = new WeakSet();

/** Checks limits, and fills in the defaults; `name` is the class that was given them. */
export function resolveHeadLimits(
  name: string,
  limits: Partial<RequestHeadLimits>,
): RequestHeadLimits {
  if (checked.has(limits)) return limits as RequestHeadLimits;
  checks?.checkOptions(name, limits, NAMES);
  const { maxHeadSize = 16384, maxLineSize = 8192, maxFields = 100 } = limits;
  checks?.checkInteger("maxHeadSize", maxHeadSize, 0);
  checks?.checkInteger("maxLineSize", maxLineSize, 0);
  checks?.checkInteger("maxFields", maxFields, 0);
  const resolved = { maxHeadSize, maxLineSize, maxFields };
  checked.add(resolved);
  return resolved;
}
