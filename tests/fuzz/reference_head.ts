/**
 * A request head as RFC 9112 has it, read plainly: the beginnings of lines that may become valid are
 * written out as regular expressions, and each beginning of the text is held against them.
 *
 * @module
 */

import type { RequestHeadLimits } from "../../src/handshake/mod.ts";

const T = "[!#$%&'*+.^_`|~0-9A-Za-z-]"; // a character of a token
const X = '[!"$-~]'; // a character of a request target
const V = "[\\t\\x20-\\x7e\\x80-\\xff]"; // a character of a field value
const VERSION_BEGINNINGS = "|H|HT|HTT|HTTP|HTTP/|HTTP/1|HTTP/1[.]|HTTP/1[.]1";

const REQUEST_LINE_BEGINNING = new RegExp(
  `^(?:${T}+|${T}+ ${X}*|${T}+ ${X}+ (?:${VERSION_BEGINNINGS}))$`,
);
const REQUEST_LINE = new RegExp(`^(${T}+) (${X}+) HTTP/1[.]1$`);
const OTHER_VERSION = new RegExp(`^${T}+ ${X}+ HTTP/(?:[02-9]|1[.][02-9])$`);
const FIELD_LINE_BEGINNING = new RegExp(`^(?:${T}+|${T}+:${V}*)$`);
const FIELD_LINE = new RegExp(`^(${T}+):(${V}*)$`);
const FIRST_OF_LINE = new RegExp(`^${T}$`);

/** What becomes of a head. */
export type ReadHead =
  | { consumed: number; method: string; target: string; fields: [name: string, value: string][] }
  | { statuses: number[]; failedAt: number }
  | "incomplete";

/**
 * Reads a text of characters up to U+00FF. `failedAt` is the number of characters after which the
 * head has to be refused, with one of `statuses`.
 */
export function readHead(text: string, limits: RequestHeadLimits): ReadHead {
  const { maxHeadSize, maxLineSize, maxFields } = limits;
  const fields: [name: string, value: string][] = [];
  let requestLine: RegExpExecArray | undefined;
  /** The line in progress, without its CR LF. */
  let line = "";
  let wasCarriageReturn = false;
  let isFirst = true;
  for (let i = 0; i < text.length; i++) {
    const refuse = (...statuses: number[]) => ({ statuses, failedAt: i + 1 });
    const tooLong = requestLine === undefined ? 414 : 431;
    if (i >= maxHeadSize) return refuse(tooLong);
    const character = text[i];
    if (wasCarriageReturn) {
      if (character !== "\n") return refuse(400);
      wasCarriageReturn = false;
      if (line === "") {
        if (requestLine !== undefined) {
          const [, method, target] = requestLine;
          return { consumed: i + 1, method, target, fields };
        }
        isFirst = false;
      } else if (requestLine === undefined) {
        requestLine = REQUEST_LINE.exec(line)!;
      } else {
        const [, name, value] = FIELD_LINE.exec(line)!;
        fields.push([name, value.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "")]);
      }
      line = "";
      continue;
    }
    if (character === "\r") {
      const isLine = line === ""
        ? requestLine !== undefined || isFirst
        : (requestLine === undefined ? REQUEST_LINE : FIELD_LINE).test(line);
      // At the end of the room, a line that lacks something is too long as well, whatever follows.
      if (!isLine) return line.length === maxLineSize ? refuse(400, tooLong) : refuse(400);
      wasCarriageReturn = true;
      continue;
    }
    if (line === "") {
      if (!FIRST_OF_LINE.test(character)) return refuse(400);
      if (requestLine !== undefined && fields.length === maxFields) return refuse(431);
    }
    if (line.length === maxLineSize) return refuse(tooLong);
    line += character;
    if (requestLine !== undefined) {
      if (!FIELD_LINE_BEGINNING.test(line)) return refuse(400);
    } else if (!REQUEST_LINE_BEGINNING.test(line)) {
      return refuse(OTHER_VERSION.test(line) ? 505 : 400);
    }
  }
  return "incomplete";
}
