/**
 * The status codes of a Close frame, under the names of the IANA registry (RFC 6455, sections
 * 7.4.1 and 11.7). Codes from 3000 are for libraries and frameworks, from 4000 for applications.
 */
export const CloseCode = {
  /** The purpose of the connection has been fulfilled. */
  NormalClosure: 1000,
  /** The endpoint goes away: the server shuts down, or the browser leaves the page. */
  GoingAway: 1001,
  /** The peer broke the protocol. */
  ProtocolError: 1002,
  /** The endpoint can't accept this type of data. */
  UnsupportedData: 1003,
  /** Never sent: the Close frame carried no status code. */
  NoStatusReceived: 1005,
  /** Never sent: the connection ended without a Close frame. */
  AbnormalClosure: 1006,
  /** A message was not of its type: text that is not UTF-8, or a corrupt compressed payload. */
  InvalidFramePayloadData: 1007,
  /** A message broke the endpoint's policy, and no other code fits. */
  PolicyViolation: 1008,
  /** A message is too big to process. */
  MessageTooBig: 1009,
  /** Sent by a client: the server did not negotiate an extension the client needs. */
  MandatoryExtension: 1010,
  /** The server met an unexpected condition and can't go on. */
  InternalError: 1011,
  /** The server restarts; clients may reconnect after a random delay. */
  ServiceRestart: 1012,
  /** The server is overloaded; clients should try later, or elsewhere. */
  TryAgainLater: 1013,
  /** A gateway received an invalid answer from the server behind it. */
  BadGateway: 1014,
  /** Never sent: the TLS handshake failed. */
  TlsHandshake: 1015,
} as const;

/**
 * Tells whether a Close frame may carry the code, sent or received (RFC 6455, section 7.4): the codes
 * 1000 to 1014 that the registry defines for the wire, and 3000 to 4999. 1004 is reserved; 1005, 1006
 * and 1015 only report how a connection ended.
 */
export function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999 && Number.isInteger(code);
  return code >= 1000 && code <= 1014 && Number.isInteger(code) &&
    code !== 1004 && code !== 1005 && code !== 1006;
}
