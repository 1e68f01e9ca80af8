/** Counts what may happen very often, and reports it seldom: at first, and when the number has doubled. */
export class DoublingTally<Detail> {
  readonly #report: (count: number, last: Detail) => void;
  total = 0;
  /** How often since the last `end`, and the part of that which was reported. */
  #count = 0;
  #reported = 0;
  #last!: Detail;

  /** @param report Is given the number since its last call, and the detail of the last time. */
  constructor(report: (count: number, last: Detail) => void) {
    this.#report = report;
  }

  add(detail: Detail): void {
    this.total++;
    this.#count++;
    this.#last = detail;
    if (this.#count >= 2 * this.#reported) this.#reportRest();
  }

  end(): void {
    if (this.#count > this.#reported) this.#reportRest();
    this.#count = 0;
    this.#reported = 0;
  }

  #reportRest(): void {
    const count = this.#count - this.#reported;
    this.#reported = this.#count;
    this.#report(count, this.#last);
  }
}
