import { HandshakeError } from "../errors.ts";

/** The head of an HTTP/1.1 request: the request line and the header fields (RFC 9112, section 2.1). */
export class RequestHead {
  /** The method, as sent: methods are case-sensitive (RFC 9110, section 9.1). */
  readonly method: string;
  /** The request target, as sent (RFC 9112, section 3.2). */
  readonly target: string;
  /** The header fields in order, names as sent, values without the whitespace around them. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly #names: string[] = [];

  /**
   * Creates a head of its parts, which are taken as they are.
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
    this.method = method;
    this.target = target;
    this.fields = fields;
    // Field names are looked up in this list, never as properties: "__proto__" is a name like others.
    for (const field of fields) this.#names.push(field[0].toLowerCase());
  }

  /**
   * Gets the value of a field that a request must not have more than once.
   *
   * @param name The name of the field, in any case.
   * @returns The value, or `undefined` where the request has no such field.
   * @throws {HandshakeError} With status 400, where the request has the field more than once.
   */
  get(name: string): string | undefined {
    const lowerName = name.toLowerCase();
    const index = this.#names.indexOf(lowerName);
    if (index === -1) return undefined;
    if (this.#names.indexOf(lowerName, index + 1) !== -1) {
      throw new HandshakeError(400, `Cannot accept the request: more than one ${name} header`);
    }
    return this.fields[index][1];
  }

  /**
   * Gets the values of all fields of a name, in order.
   *
   * @param name The name of the fields, in any case.
   * @returns The values; none where the request has no such field.
   */
  getAll(name: string): string[] {
    const lowerName = name.toLowerCase();
    const values: string[] = [];
    let index = this.#names.indexOf(lowerName);
    while (index !== -1) {
      values.push(this.fields[index][1]);
      index = this.#names.indexOf(lowerName, index + 1);
    }
    return values;
  }
}
