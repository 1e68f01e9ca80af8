import { HeaderFieldList } from "./header_field_list.ts";
import { requestError } from "./request_error.ts";

/** The head of an HTTP/1.1 request: the request line and the header fields (RFC 9112, section 2.1). */
export class RequestHead extends HeaderFieldList {
  /** The method, as sent: methods are case-sensitive (RFC 9110, section 9.1). */
  readonly method: string;
  /** The request target, as sent (RFC 9112, section 3.2). */
  readonly target: string;

  /**
   * Creates a head from its parts, which are not checked.
   *
   * @param method The method, such as `"GET"`.
   * @param target The request target, such as `"/chat?room=1"`.
   * @param fields The header fields, in order.
   */
  constructor(
    method: string,
    target: string,
    fields: ReadonlyArray<readonly [name: string, value: string]>,
  ) {
    super(fields);
    this.method = method;
    this.target = target;
  }

  /**
   * Gets the value of a field that must not occur more than once.
   *
   * @param name The name of the field, in any case.
   * @returns The value, or `undefined` if the request has no such field.
   * @throws {HandshakeError} With status 400, if the request has the field more than once.
   */
  get(name: string): string | undefined {
    const values = this.getAll(name);
    if (values.length > 1) throw requestError(400, `more than one ${name} header`);
    return values[0];
  }
}
