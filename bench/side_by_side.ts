/**
 * How the benchmarks stand beside those of ws.
 *
 * @module
 */

/** Some work, to be measured. */
export type Work = () => void | Promise<void>;

/** Measures the same work as Sluice does it and as ws does it, in a group by its own name. */
export function benchSideBySide(group: string, sluice: Work, ws: Work, wsWithAddon?: Work): void {
  Deno.bench({ name: "Sluice", group, baseline: true, fn: sluice });
  Deno.bench({ name: "ws", group, fn: ws });
  if (wsWithAddon !== undefined) Deno.bench({ name: "ws + bufferutil", group, fn: wsWithAddon });
}

/** Names a group in columns that are the same for all, so that the output reads as a table. */
export function nameGroup(work: string, size: number, kind: string): string {
  return `${work.padEnd(8)} ${nameSize(size).padStart(7)}  ${kind}`;
}

function nameSize(size: number): string {
  if (size >= 1024 * 1024) return `${size / 1024 / 1024} MiB`;
  return size >= 1024 ? `${size / 1024} KiB` : `${size} B`;
}
