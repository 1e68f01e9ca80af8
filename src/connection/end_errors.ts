/**
 * Tells which connection's end an error is about: a callback of one may fail with that of another.
 *
 * @module
 */

// Numbers, so that a retained error does not retain its connection.
const owners: WeakMap<object, number> = new WeakMap();
let lastId = 0;

/** Knows the errors that tell of the end of one connection. */
export class EndErrors {
  /** Given with the first error: most connections end without one. */
  #id: number | undefined;

  /** Marks an error as one about this connection's end. */
  add<T extends Error>(error: T): T {
    owners.set(error, this.#id ??= ++lastId);
    return error;
  }

  /** Whether an error tells of this connection's end, or of another's; `undefined` if of none. */
  ownerOf(error: unknown): "this" | "another" | undefined {
    // A value that is no object is not in it.
    const id = owners.get(error as object);
    if (id === undefined) return undefined;
    return id === this.#id ? "this" : "another";
  }
}
