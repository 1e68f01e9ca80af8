/** The header fields of a request or a response (RFC 9110, section 5), in order. */
export class HeaderFieldList {
  /** The header fields in order, names as sent, values without the whitespace around them. */
  readonly fields: ReadonlyArray<readonly [name: string, value: string]>;
  readonly #names: string[] = [];

  /**
   * Keeps fields, which are taken as they are.
   *
   * @param fields The header fields, in order.
   */
  constructor(fields: ReadonlyArray<readonly [name: string, value: string]>) {
    this.fields = fields;
    // Field names are looked up in this list, never as properties: "__proto__" is a name like others.
    for (const field of fields) this.#names.push(field[0].toLowerCase());
  }

  /**
   * Gets the values of all fields of a name, in order.
   *
   * @param name The name of the fields, in any case.
   * @returns The values; none where there is no such field.
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
