import { UnexpectedResponseError } from "../errors.ts";
import { HeaderFieldList } from "./header_field_list.ts";

/** The head of an HTTP/1 response: the status line and the header fields (RFC 9112, section 2.1). */
export class ResponseHead extends HeaderFieldList {
  /** The minor version: 1 for HTTP/1.1, the only version that can be upgraded, or 0. */
  readonly minorVersion: number;
  /** The status code: 100 to 599. */
  readonly status: number;
  /** The reason phrase, or `""`. */
  readonly reason: string;

  /**
   * Creates a head from its parts, which are not checked.
   *
   * @param minorVersion The minor version: 0 or 1.
   * @param status The status code.
   * @param reason The reason phrase, or `""`.
   * @param fields The header fields, in order.
   */
  constructor(
    minorVersion: number,
    status: number,
    reason: string,
    fields: ReadonlyArray<readonly [name: string, value: string]>,
  ) {
    super(fields);
    this.minorVersion = minorVersion;
    this.status = status;
    this.reason = reason;
  }

  /** Copies the header fields for the program. */
  toHeaders(): Headers {
    const headers = new Headers();
    for (const [name, value] of this.fields) headers.append(name, value);
    return headers;
  }
}

/** Creates the error for a response that the client can't accept. */
export function responseError(head: ResponseHead, reason: string): UnexpectedResponseError {
  return new UnexpectedResponseError(
    `Cannot accept the response: ${reason}`,
    head.status,
    head.toHeaders(),
  );
}
