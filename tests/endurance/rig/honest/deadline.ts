/** Nothing of an honest client takes so long, in milliseconds: what does is lost. */
const DEADLINE_MS = 20_000;

/** Waits for something that must come. */
export async function inTime<T>(what: string, work: Promise<T>): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const error = new Error(`waited ${DEADLINE_MS / 1000} s for ${what}, which did not come`);
  const timer = setTimeout(() => reject(error), DEADLINE_MS);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
