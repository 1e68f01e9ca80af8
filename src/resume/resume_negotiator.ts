import "../connection/common.ts";
import { entries, type HeaderFields } from "../http1/field_line.ts";
import { ServerLayer } from "./server_layer.ts";
import { RESUME, RESUME_FIELD } from "./subprotocol.ts";

/** Negotiates with the clients of a server that they may resume. */
export class ResumeNegotiator {
  /** The subprotocol that a client offers for it, beside those of the program. */
  readonly subprotocol: string = RESUME;

  /** Adds the program's subprotocol, of which a response can name only one, to the header fields. */
  addField(fields: HeaderFields | undefined, protocol: string): HeaderFields {
    return [...entries(fields), [RESUME_FIELD, `"${protocol}"`]];
  }

  createLayer(protocol: string): ServerLayer {
    return new ServerLayer(protocol);
  }
}
