/** The header fields of a request or a response (RFC 9110, section 5), in order. */
export class HeaderFieldList {
  /** The header fields in order: names as sent, values without the whitespace around them. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly #names: string[] = [];

  /**
   * Creates a list of fields, which are not checked.
   *
   * @param fields The header fields, in order.
   */
  constructor(fields: ReadonlyArray<readonly [name: string, value: string]>) {
    this.fields = fields;
    // An array, since names are not safe as properties of an object: "__proto__" is a valid name.
    for (const field of fields) this.#names.push(field[0].toLowerCase());
  }

  /**
   * Gets the values of all fields of a name, in order.
   *
   * @param name The name of the fields, in any case.
   * @returns The values; none if there is no such field.
   */
  getAll(name: string): string[] {
    const lowerName = name.toLowerCase();
    const values: string[] = [];
    let index = this.#names.indexOf(lowerName);
    while (index !== -1) {
      values.push(this.fields[index]![1]);
      index = this.#names.indexOf(lowerName, index + 1);
    }
    return values;
  }
}
