/**
 * What TLS handshakes have in common on every runtime.
 *
 * @module
 */

/** How long a peer may take for its TLS handshake before it is dropped. */
export const tlsHandshakeTimeoutMs = 10_000;
