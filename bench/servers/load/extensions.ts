/**
 * Makes sure that what was offered is what was agreed upon, so that all servers do the same.
 *
 * @module
 */

/** Finds what a server agreed to; empty where it agreed to nothing. */
export function readExtensions(head: string): string {
  return /\r\nsec-websocket-extensions: *([^\r]*)/i.exec(head)?.[1].trim() ?? "";
}

/**
 * Compares what was agreed upon with the offer.
 *
 * @throws {Error} Where there is compression and should be none, or none and should be, or windows are
 * kept that should not be, or not kept though nobody asked for that.
 */
export function checkExtensions(offer: string, agreed: string): void {
  for (const word of ["permessage-deflate", "server_no_context", "client_no_context"]) {
    const isOffered = offer.includes(word);
    if (isOffered === agreed.includes(word)) continue;
    throw new Error(
      `agrees to ${JSON.stringify(agreed)} where ${JSON.stringify(offer)} is offered`,
    );
  }
}
