/**
 * Checks a limit: an integer from `min` on, or `Infinity`. Anything else would compare as no limit at
 * all, or as one that nothing keeps.
 *
 * @throws {RangeError} Where it is neither. The message has the name.
 */
export function checkLimit(name: string, value: unknown, min: number): void {
  if (value === Infinity || (Number.isSafeInteger(value) && (value as number) >= min)) return;
  throw new RangeError(
    `Cannot use ${String(value)} as ${name}: it is an integer from ${min} on, or Infinity`,
  );
}
