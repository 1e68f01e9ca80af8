import { checkOptions, type Names } from "../checks.ts";
import { encodeField, type HeaderFields } from "../http1/field_line.ts";
import { encodeLatin1 } from "../http1/latin1.ts";
import { SWITCHING_PROTOCOLS } from "./encode_accept.ts";
import { programFields } from "./program_fields.ts";
import { checkSubprotocol } from "./subprotocol.ts";

/** The contents of a 101 response. */
export interface SwitchingProtocols {
  /** The value of `Sec-WebSocket-Accept`. */
  accept: string;
  /** The selected subprotocol. Default: none. */
  protocol?: string | undefined;
  /** The value of `Sec-WebSocket-Extensions`. Default: none. */
  extensions?: string | undefined;
  /** More header fields. Default: none. */
  headers?: HeaderFields | undefined;
}

const NAMES: Names<SwitchingProtocols> = {
  accept: true,
  protocol: true,
  extensions: true,
  headers: true,
};

/**
 * Encodes the response that completes the handshake (RFC 6455, section 4.2.2).
 *
 * @param response The contents of the response.
 * @throws {TypeError} If a header field or the subprotocol can't be sent, or a field is one that only the
 * handshake sets, or a name in `response` is unknown. The message gives the name.
 */
export function encodeSwitchingProtocols(response: SwitchingProtocols): Uint8Array<ArrayBuffer> {
  checkOptions("encodeSwitchingProtocols", response, NAMES);
  const { accept, protocol, extensions, headers } = response;
  let text = SWITCHING_PROTOCOLS + encodeField("Sec-WebSocket-Accept", accept);
  if (protocol !== undefined) {
    checkSubprotocol("send", protocol);
    text += encodeField("Sec-WebSocket-Protocol", protocol);
  }
  if (extensions !== undefined) text += encodeField("Sec-WebSocket-Extensions", extensions);
  for (const [name, value] of programFields(headers)) text += encodeField(name, value);
  return encodeLatin1(`${text}\r\n`);
}
