/**
 * What charts as SVG have in common: the frame, the colours by day and by night, and text.
 *
 * @module
 */

const STYLE = `
  text { font: 12px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .back { fill: #ffffff } .rule { stroke: #d1d9e0 }
  .h1 { font-size: 18px; font-weight: 600 } .h2 { font-size: 14px; font-weight: 600 }
  text { paint-order: stroke; stroke: #ffffff; stroke-width: 3px; stroke-linejoin: round }
  .row { font-weight: 600 } .dim { fill: #59636e } .end { text-anchor: end }`;

const DARK_STYLE = `
    text { fill: #f0f6fc; stroke: #0d1117 } .back { fill: #0d1117 } .rule { stroke: #3d444d }
    .dim { fill: #9198a1 }`;

/** A drawing. */
export interface Drawing {
  title: string;
  width: number;
  height: number;
  /** What it adds to the common style. */
  style: string;
  /** What it adds to that for dark backgrounds. */
  darkStyle: string;
  parts: string[];
}

/** Puts a drawing together. */
export function drawDocument(drawing: Drawing): string {
  const { title, width, height, style, darkStyle, parts } = drawing;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" ` +
    `height="${height}" role="img">\n<title>${
      escapeText(title)
    }</title>\n<style>${STYLE}${style}\n` +
    `  @media (prefers-color-scheme: dark) {${DARK_STYLE}${darkStyle}\n  }\n</style>\n` +
    `<rect class="back" width="${width}" height="${height}"/>\n${parts.join("\n")}\n</svg>\n`;
}

/** Draws a text; `kind` is its class. */
export function drawText(x: number, y: number, text: string, kind: string): string {
  return `<text class="${kind}" x="${x}" y="${y}">${escapeText(text)}</text>`;
}

/** Breaks a text into lines of at most `length` characters, between words. */
export function wrapText(text: string, length: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last === "") lines[lines.length - 1] = word;
    else if (last.length + 1 + word.length <= length) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
