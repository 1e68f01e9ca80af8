/** The header fields of a request or a response (RFC 9110, section 5), in order. */
export class HeaderFieldList {
  /** The header fields in order: names as sent, values without the whitespace around them. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;

  /**
   * Creates a list of fields, which are not checked.
   *
   * @param fields The header fields, in order.
   */
  constructor(fields: ReadonlyArray<readonly [name: string, value: string]>) {
    this.fields = fields;
  }

  /**
   * Gets the values of all fields of a name, in order.
   *
   * @param name The name of the fields, in any case.
   * @returns The values; none if there is no such field.
   */
  getAll(name: string): string[] {
    const values: string[] = [];
    for (const field of this.fields) if (isSameName(field[0], name)) values.push(field[1]);
    return values;
  }
}

/** Compares names in any case. Most of them differ in length, or are written alike. */
function isSameName(a: string, b: string): boolean {
  return a.length === b.length && (a === b || a.toLowerCase() === b.toLowerCase());
}
