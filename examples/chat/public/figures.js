const SVG = "http://www.w3.org/2000/svg";

/** One value a second, for a minute. */
const LENGTH = 60;

/** The size of the drawing, the position of zero, and the height of the scale above it. */
const WIDTH = LENGTH + 2;
const HEIGHT = 30;
const ZERO = HEIGHT - 4;
const RISE = HEIGHT - 8;

/** A tile: a figure as a number, and its last minute as a line. */
export class Figure {
  #value;
  #peak;
  #svg;
  #area;
  #line;
  #dot;
  #values = [];
  #describe;
  #smallestScale;

  /**
   * @param {HTMLElement} tile
   * @param {{ smallestScale: number, describe(value: string, peak: string): string }} options The
   * top of the scale is never below `smallestScale`, so that a line of next to nothing stays flat.
   * `describe` puts the chart into words.
   */
  constructor(tile, { smallestScale, describe }) {
    this.#value = tile.querySelector(".value");
    this.#peak = tile.querySelector(".peak");
    this.#svg = tile.querySelector("svg");
    this.#svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    this.#svg.setAttribute("preserveAspectRatio", "none");
    this.#addPath("zero").setAttribute("d", `M0 ${ZERO}H${WIDTH}`);
    this.#area = this.#addPath("area");
    this.#line = this.#addPath("line");
    this.#dot = this.#addPath("dot");
    this.#smallestScale = smallestScale;
    this.#describe = describe;
  }

  /** Adds the value of this second; null for a gap. */
  push(value) {
    this.#values.push(value);
    if (this.#values.length > LENGTH) this.#values.shift();
    this.#value.textContent = format(value);
    const known = this.#values.filter((value) => value !== null);
    if (known.length === 0) return;
    const peak = Math.max(...known);
    this.#peak.textContent = `peak ${format(peak)}`;
    this.#svg.setAttribute("aria-label", this.#describe(format(value), format(peak)));
    this.#draw(Math.max(peak, this.#smallestScale));
  }

  #draw(scale) {
    const start = LENGTH - this.#values.length;
    let line = "", area = "", runStart;
    this.#values.forEach((value, i) => {
      if (value === null) {
        runStart = undefined;
        return;
      }
      const x = start + i + 0.5;
      const y = (ZERO - (value / scale) * RISE).toFixed(2);
      line += `${runStart === undefined ? "M" : "L"}${x} ${y}`;
      if (runStart === undefined) area += `M${x} ${ZERO}`;
      runStart ??= x;
      area += `L${x} ${y}`;
      const isRunsEnd = (this.#values[i + 1] ?? null) === null;
      if (isRunsEnd) area += `L${x} ${ZERO}Z`;
      if (i === this.#values.length - 1) this.#dot.setAttribute("d", `M${x} ${y}h0`);
    });
    if (runStart === undefined) this.#dot.setAttribute("d", "");
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
  }

  #addPath(className) {
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("class", className);
    return this.#svg.appendChild(path);
  }
}

/** Three digits are enough to watch. */
function format(value) {
  if (value === null) return "–";
  if (value >= 100) return Math.round(value).toLocaleString("en");
  return String(Number(value.toPrecision(value >= 1 ? 2 : 1)));
}
