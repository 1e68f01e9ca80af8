/**
 * Draws memory and latency over time: a row for each runtime, hostile clients as a shade.
 *
 * @module
 */

import { drawDocument, drawText } from "../../../tools/svg.ts";
import { MiB } from "../rig/scale.ts";
import type { Measured, Moment } from "./samples.ts";
import { median, timeOf } from "./words.ts";

/** One soak, and what to call it. */
export interface SoakOf {
  label: string;
  measured: Measured;
}

const MARGIN = 24;
const HEADER_HEIGHT = 112;
const ROW_HEIGHT = 190;
const PLOT_WIDTH = 430;
const PLOT_HEIGHT = 130;
/** Room for the labels of an axis. */
const AXIS_WIDTH = 62;
const PANEL_WIDTH = AXIS_WIDTH + PLOT_WIDTH + 24;
const WIDTH = 2 * MARGIN + 2 * PANEL_WIDTH;
/** More points than these can't be told apart. */
const MAX_POINTS = 430;

const STYLE = `
  .attack { fill: #cf222e; opacity: 0.07 } polyline { fill: none; stroke-width: 1.5 }
  .a { stroke: #0969da } .b { stroke: #8250df } .c { stroke: #bf8700; stroke-width: 1 }
  rect.a { fill: #0969da } rect.b { fill: #8250df } rect.c { fill: #bf8700 }`;

const DARK_STYLE = `
    .attack { fill: #f85149; opacity: 0.12 }
    .a { stroke: #4493f8 } .b { stroke: #ab7df8 } .c { stroke: #d29922 }
    rect.a { fill: #4493f8 } rect.b { fill: #ab7df8 } rect.c { fill: #d29922 }`;

/** A line of a plot. */
interface Line {
  /** Its class. */
  kind: string;
  /** Times in milliseconds, and values. */
  points: [atMs: number, value: number][];
  /** What is drawn of neighbours, where there are too many points. */
  merge: (values: number[]) => number;
}

/** Where a value is: 0 at the bottom of a plot, 1 at its top. */
type Scale = (value: number) => number;

/** Draws the chart. */
export function drawSoakChart(title: string, soaks: SoakOf[]): string {
  const parts = [
    drawText(MARGIN, 38, title, "h1"),
    drawText(MARGIN, 58, "Shaded: hostile clients are there. Honest clients always are.", "dim"),
    ...drawLegend(MARGIN + AXIS_WIDTH, "Memory of the server", [
      ["a", "in RAM"],
      ["b", "in use, without attacks"],
    ]),
    ...drawLegend(MARGIN + AXIS_WIDTH + PANEL_WIDTH, "Latency of honest clients", [
      ["a", "echo p50"],
      ["b", "echo p99"],
      ["c", "longest wait"],
    ]),
    ...soaks.map((soak, i) => drawRow(soak, HEADER_HEIGHT + i * ROW_HEIGHT)),
  ];
  const height = HEADER_HEIGHT + soaks.length * ROW_HEIGHT;
  return drawDocument({ title, width: WIDTH, height, style: STYLE, darkStyle: DARK_STYLE, parts });
}

function drawLegend(x: number, title: string, entries: [kind: string, name: string][]): string[] {
  let left = x + 205;
  return [
    drawText(x, 88, title, "h2"),
    ...entries.flatMap(([kind, name]) => {
      const at = left;
      left += 24 + name.length * 6.5;
      return [
        `<rect class="${kind}" x="${at}" y="83" width="10" height="3"/>`,
        drawText(at + 14, 88, name, "dim"),
      ];
    }),
  ];
}

function drawRow({ label, measured }: SoakOf, top: number): string {
  const { moments, calms } = measured;
  const durationMs = Math.max(1_000, ...moments.map(({ atMs }) => atMs));
  const resident = moments.map(({ atMs, resident }): [number, number] => [atMs, resident / MiB]);
  const used = calms.map(({ atMs, usedMemory }): [number, number] => [atMs, usedMemory / MiB]);
  const most = roundUp(Math.max(10, ...[...resident, ...used].map(([, value]) => value)));
  const latency = (of: (moment: Moment) => number) =>
    moments.map((moment): [number, number] => [moment.atMs, of(moment)]);
  return [
    drawText(MARGIN, top + 6, label, "row"),
    drawPlot(MARGIN + AXIS_WIDTH, top + 16, durationMs, moments, (value) => value / most, [
      [0, "0"],
      [most / 2, `${most / 2} MiB`],
      [most, `${most} MiB`],
    ], [
      { kind: "a", points: resident, merge: largest },
      { kind: "b", points: used, merge: largest },
    ]),
    // From 0.1 ms to 10 s.
    drawPlot(
      MARGIN + AXIS_WIDTH + PANEL_WIDTH,
      top + 16,
      durationMs,
      moments,
      (value) => (Math.log10(Math.max(value, 0.1)) + 1) / 5,
      [[0.1, "0.1 ms"], [1, "1 ms"], [10, "10 ms"], [100, "100 ms"], [1_000, "1 s"], [
        10_000,
        "10 s",
      ]],
      [
        { kind: "c", points: latency(({ longest }) => longest.ms), merge: largest },
        { kind: "b", points: latency(({ latency }) => latency.p99), merge: largest },
        { kind: "a", points: latency(({ latency }) => latency.p50), merge: median },
      ],
    ),
  ].join("\n");
}

function drawPlot(
  left: number,
  top: number,
  durationMs: number,
  moments: Moment[],
  scale: Scale,
  marks: [value: number, label: string][],
  lines: Line[],
): string {
  const x = (atMs: number) => Math.round((left + atMs / durationMs * PLOT_WIDTH) * 10) / 10;
  const y = (value: number) => {
    const height = Math.min(1, Math.max(0, scale(value))) * PLOT_HEIGHT;
    return Math.round((top + PLOT_HEIGHT - height) * 10) / 10;
  };
  return [
    ...findAttacks(moments).map(([from, to]) =>
      `<rect class="attack" x="${x(from)}" y="${top}" width="${(x(to) - x(from)).toFixed(1)}" ` +
      `height="${PLOT_HEIGHT}"/>`
    ),
    ...marks.flatMap(([value, label]) => [
      `<line class="rule" x1="${left}" x2="${left + PLOT_WIDTH}" y1="${y(value)}" y2="${
        y(value)
      }"/>`,
      drawText(left - 6, y(value) + 4, label, "dim end"),
    ]),
    drawText(left, top + PLOT_HEIGHT + 16, "0:00", "dim"),
    drawText(left + PLOT_WIDTH, top + PLOT_HEIGHT + 16, timeOf(durationMs), "dim end"),
    ...lines.map((line) => {
      const drawn = thin(line).map(([atMs, value]) => `${x(atMs)},${y(value)}`);
      return `<polyline class="${line.kind}" points="${drawn.join(" ")}"/>`;
    }),
  ].join("\n");
}

/** When attacks began and ended. */
function findAttacks(moments: Moment[]): [from: number, to: number][] {
  const found: [number, number][] = [];
  let from: number | undefined;
  for (const { atMs, isAttacked } of moments) {
    if (isAttacked) from ??= atMs;
    else if (from !== undefined) {
      found.push([from, atMs]);
      from = undefined;
    }
  }
  if (from !== undefined) found.push([from, moments[moments.length - 1].atMs]);
  return found;
}

/** Merges neighbours, where there are too many. */
function thin({ points, merge }: Line): [number, number][] {
  const step = Math.ceil(points.length / MAX_POINTS);
  const kept: [number, number][] = [];
  for (let i = 0; i < points.length; i += step) {
    kept.push([points[i][0], merge(points.slice(i, i + step).map(([, value]) => value))]);
  }
  return kept;
}

function largest(values: number[]): number {
  return Math.max(...values);
}

/** The next number that is easy to halve. */
function roundUp(value: number): number {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * unit).find((round) => round >= value)!;
}
