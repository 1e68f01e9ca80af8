import { encodeLatin1 } from "../http1/latin1.ts";

/** How every 101 response begins. */
export const SWITCHING_PROTOCOLS =
  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";

/** Encodes the response that completes a handshake which agrees upon nothing but the WebSocket. */
export function encodeAccept(accept: string): Uint8Array<ArrayBuffer> {
  return encodeLatin1(`${SWITCHING_PROTOCOLS}Sec-WebSocket-Accept: ${accept}\r\n\r\n`);
}
