/**
 * A chart of bars as SVG: a row for each workload, a column for each runtime. In each cell the bars
 * are relative to one of them, and each has its name and number beside it.
 *
 * @module
 */

import { drawDocument, drawText, wrapText } from "../../tools/svg.ts";

/** One bar. */
export interface ChartBar {
  name: string;
  /** How long it is; `undefined` where there is nothing to measure. */
  value: number | undefined;
  /** What is written at its end. */
  label: string;
  /** Whether it is what the chart is about. */
  isOurs: boolean;
  /** Whether the others are measured by it. */
  isReference: boolean;
}

/** The bars of one row in one column. */
export interface ChartCell {
  column: string;
  bars: ChartBar[];
}

/** One row. */
export interface ChartRow {
  title: string;
  /** What the numbers are. */
  subtitle: string;
  cells: ChartCell[];
}

const MARGIN = 24;
const TITLE_WIDTH = 190;
const NAME_WIDTH = 82;
/** How long the reference is; what is longer than twice that is cut off. */
const REFERENCE_WIDTH = 80;
const MAX_FACTOR = 1.8;
const LABEL_WIDTH = 112;
const CELL_WIDTH = NAME_WIDTH + REFERENCE_WIDTH * MAX_FACTOR + LABEL_WIDTH;
const BAR_HEIGHT = 13;
const BAR_PITCH = 17;
const ROW_GAP = 18;
const HEADER_HEIGHT = 114;

const STYLE = `
  .one { stroke: #818b98; stroke-dasharray: 2 2 }
  .ours { fill: #0969da } .other { fill: #b1bac4 } text.ours { font-weight: 600 }`;

const DARK_STYLE = `
    .one { stroke: #9198a1 } .ours { fill: #4493f8 } .other { fill: #656c76 }`;

/** Draws the chart. */
export function drawChart(
  title: string,
  subtitle: string,
  footer: string,
  rows: ChartRow[],
): string {
  const columns = [...new Set(rows.flatMap(({ cells }) => cells.map(({ column }) => column)))];
  const width = MARGIN * 2 + TITLE_WIDTH + columns.length * CELL_WIDTH;
  const parts: string[] = [];
  parts.push(drawText(MARGIN, 38, title, "h1"), drawText(MARGIN, 58, subtitle, "dim"));
  columns.forEach((column, i) => parts.push(drawText(xOf(i) + NAME_WIDTH, 92, column, "h2")));
  let y = HEADER_HEIGHT;
  for (const row of rows) {
    const height = Math.max(2, ...row.cells.map(({ bars }) => bars.length)) * BAR_PITCH;
    parts.push(
      `<line class="rule" x1="${MARGIN}" x2="${width - MARGIN}" y1="${y - 9}" y2="${y - 9}"/>`,
      drawText(MARGIN, y + 11, row.title, "row"),
      drawText(MARGIN, y + 11 + BAR_PITCH, row.subtitle, "dim"),
      ...row.cells.map((cell) => drawCell(cell, xOf(columns.indexOf(cell.column)), y)),
    );
    y += height + ROW_GAP;
  }
  const lines = wrapText(footer, Math.floor((width - 2 * MARGIN) / 6.6));
  lines.forEach((line, i) => parts.push(drawText(MARGIN, y + 12 + i * 16, line, "dim")));
  const height = y + lines.length * 16 + MARGIN;
  return drawDocument({ title, width, height, style: STYLE, darkStyle: DARK_STYLE, parts });
}

function xOf(column: number): number {
  return MARGIN + TITLE_WIDTH + column * CELL_WIDTH;
}

function drawCell({ bars }: ChartCell, x: number, y: number): string {
  const reference = bars.find(({ isReference }) => isReference)?.value ??
    Math.max(...bars.map(({ value }) => value ?? 0));
  const drawn = bars.map((bar, i) => drawBar(bar, reference, x, y + i * BAR_PITCH));
  const one = x + NAME_WIDTH + REFERENCE_WIDTH;
  const bottom = y + bars.length * BAR_PITCH - (BAR_PITCH - BAR_HEIGHT) + 2;
  if (!bars.some(({ isReference, value }) => isReference && value !== undefined)) {
    return drawn.join("\n");
  }
  // First, so that labels are above it.
  drawn.unshift(`<line class="one" x1="${one}" x2="${one}" y1="${y - 2}" y2="${bottom}"/>`);
  return drawn.join("\n");
}

function drawBar(bar: ChartBar, reference: number, x: number, y: number): string {
  const { name, value, label, isOurs } = bar;
  const left = x + NAME_WIDTH;
  const kind = isOurs ? "ours" : "other";
  const factor = Math.min((value ?? 0) / reference, MAX_FACTOR);
  const width = Math.round(factor * REFERENCE_WIDTH * 10) / 10;
  const isCut = factor === MAX_FACTOR;
  const parts = [drawText(left - 6, y + 11, name, isOurs ? "ours end" : "dim end")];
  if (value !== undefined) {
    parts.push(
      `<rect class="${kind}" x="${left}" y="${y}" width="${
        Math.max(width, 1)
      }" height="${BAR_HEIGHT}"/>`,
    );
  }
  // A gap near the end tells that the bar goes on.
  if (isCut) {
    parts.push(
      `<path class="back" d="M${left + width - 14} ${
        y + BAR_HEIGHT
      }l5 -${BAR_HEIGHT}h4l-5 ${BAR_HEIGHT}z"/>`,
    );
  }
  parts.push(drawText(left + Math.max(width, 1) + 6, y + 11, label, isOurs ? "ours" : "dim"));
  return parts.join("\n");
}
