/**
 * The error of a connection whose end came without a reason.
 *
 * @module
 */

/** Creates the error for a channel that closed before both directions had ended. */
export function lostError(): Error {
  return new Error("The connection was lost: it closed before both directions had ended");
}
