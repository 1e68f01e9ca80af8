/**
 * The error of a connection whose end the runtime gives no reason for.
 *
 * @module
 */

/** Creates the error for a socket that closed before both directions had ended. */
export function lostError(): Error {
  return new Error("The connection was lost: the socket closed before both directions had ended");
}
