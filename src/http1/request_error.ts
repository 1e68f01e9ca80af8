import { HandshakeError } from "../errors.ts";

/** Creates the error for a request that is refused with the HTTP status `status`. */
export function requestError(status: number, reason: string): HandshakeError {
  return new HandshakeError(status, `Cannot accept the request: ${reason}`);
}
