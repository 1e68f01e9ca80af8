/**
 * Answers to a client, read plainly: heads by RFC 9112, with regular expressions for their lines, and
 * the opening handshake by RFC 6455, section 4.1, and RFC 7692, section 7.1, with all that is wrong.
 *
 * @module
 */

import type { RequestHeadLimits } from "../../src/handshake/mod.ts";
import { readExtensions, trim } from "./extensions.ts";

const T = "[!#$%&'*+.^_`|~0-9A-Za-z-]"; // a character of a token
const V = "[\\t\\x20-\\x7e\\x80-\\xff]"; // a character of a field value or reason phrase
const STATUS_LINE = new RegExp(`^HTTP/1[.]([01]) ([1-5][0-9][0-9])(?: (${V}*))?$`);
const FIELD_LINE = new RegExp(`^(${T}+):(${V}*)$`);
const FIELD_LINE_BEGINNING = new RegExp(`^(?:${T}*|${T}+:${V}*)$`);

/** A head of a response. */
export interface AnswerHead {
  consumed: number;
  minorVersion: number;
  status: number;
  reason: string;
  fields: [name: string, value: string][];
}

/** Reads a text of characters up to U+00FF. A status line may be found wrong with the head whole. */
export function readAnswer(
  text: string,
  limits: RequestHeadLimits,
): AnswerHead | "refused" | "incomplete" {
  const { maxHeadSize, maxLineSize, maxFields } = limits;
  const begin = "HTTP/1.".slice(0, text.length);
  const room = text.slice(0, maxHeadSize);
  if (!room.startsWith(begin.slice(0, maxHeadSize))) return "refused";
  const unfinished = text.length > maxHeadSize ? "refused" : "incomplete";
  const lineEnd = room.indexOf("\n");
  // A line that is too long may end with CR LF, or with LF alone, which is found later.
  if ((lineEnd === -1 ? room.length - 1 : lineEnd - 1) > maxLineSize) return "refused";
  if (lineEnd === -1) return unfinished;
  const fields: AnswerHead["fields"] = [];
  for (let start = lineEnd + 1;;) {
    const end = room.indexOf("\n", start);
    const line = room.slice(start, end === -1 ? undefined : end);
    const isEnded = line.endsWith("\r");
    const content = isEnded ? line.slice(0, -1) : line;
    if (content.length > maxLineSize) return "refused";
    if (content !== "" && fields.length === maxFields) return "refused";
    if (!(isEnded ? content === "" || FIELD_LINE.test(content) : FIELD_LINE_BEGINNING.test(line))) {
      return "refused";
    }
    if (end === -1) return unfinished;
    if (!isEnded) return "refused";
    start = end + 1;
    if (content === "") {
      const match = STATUS_LINE.exec(room.slice(0, lineEnd - 1));
      if (match === null || room[lineEnd - 1] !== "\r") return "refused";
      const [, minorVersion, status, reason = ""] = match;
      const head = { minorVersion: Number(minorVersion), status: Number(status), reason };
      return { consumed: start, ...head, fields };
    }
    const [, name, value] = FIELD_LINE.exec(content)!;
    fields.push([name, trim(value)]);
  }
}

/** What a client asked for. */
export interface Asked {
  accept: string;
  subprotocols: readonly string[];
  /** Its offer of permessage-deflate, if it made one. */
  deflate: {
    serverNoContextTakeover: boolean;
    clientNoContextTakeover: boolean;
    serverMaxWindowBits: number;
    clientMaxWindowBits: number;
  } | undefined;
}

/** What is agreed upon. */
export interface Agreed {
  protocol: string;
  extensions: string;
  deflate: Asked["deflate"];
}

/** Lists what is wrong with a 101. */
export function readUpgradeAnswer(
  { minorVersion, fields }: Pick<AnswerHead, "minorVersion" | "fields">,
  asked: Asked,
): { faults: string[] } | Agreed {
  const faults: string[] = [];
  const expect = (holds: boolean, fault: string) => void (holds || faults.push(fault));
  const all = (name: string) =>
    fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value);

  expect(minorVersion === 1, "version");
  const upgrades = all("upgrade");
  expect(upgrades.length === 1 && /^websocket$/i.test(upgrades[0]), "upgrade");
  const connection = all("connection").join(",").split(",").map(trim);
  expect(connection.some((token) => /^upgrade$/i.test(token)), "connection");
  const accepts = all("sec-websocket-accept");
  expect(accepts.length === 1 && accepts[0] === asked.accept, "accept");

  const protocols = all("sec-websocket-protocol");
  if (asked.subprotocols.length === 0) expect(protocols.length === 0, "protocol not offered");
  else {
    expect(protocols.length === 1 && asked.subprotocols.includes(protocols[0]), "protocol");
  }

  const values = all("sec-websocket-extensions");
  const extensions = values.length === 0 ? [] : readExtensions(values.join(", "));
  expect(extensions !== undefined, "extensions");
  const [extension, ...others] = extensions ?? [];
  expect(others.length === 0, "extensions");
  let deflate: Asked["deflate"];
  if (extension !== undefined) {
    expect(extension.name === "permessage-deflate", "extension");
    const { deflate: offer } = asked;
    if (offer === undefined) faults.push("extension not offered");
    else {
      const wrong = (fault: string) => faults.push(fault);
      deflate = readDeflate(extension.parameters, offer, wrong);
    }
  }
  if (faults.length > 0) return { faults };
  return { protocol: protocols[0] ?? "", extensions: values.join(", "), deflate };
}

function readDeflate(
  parameters: readonly [name: string, value: string | true][],
  offer: NonNullable<Asked["deflate"]>,
  wrong: (fault: string) => void,
): Asked["deflate"] {
  const names = parameters.map(([name]) => name);
  if (new Set(names).size !== names.length) wrong("twice");
  const has = (name: string) => names.includes(name);
  const bits = (name: string) => {
    const found = parameters.find(([each]) => each === name);
    return found === undefined ? 15 : Number(found[1]);
  };
  for (const [name, value] of parameters) {
    const isFlag = /^(?:server|client)_no_context_takeover$/.test(name) && value === true;
    const isSize = /^(?:server|client)_max_window_bits$/.test(name) &&
      ["8", "9", "10", "11", "12", "13", "14", "15"].includes(String(value));
    if (!isFlag && !isSize) wrong(`parameter ${name}`);
  }
  if (offer.serverNoContextTakeover && !has("server_no_context_takeover")) wrong("takeover");
  if (bits("server_max_window_bits") > offer.serverMaxWindowBits) wrong("server window");
  return {
    serverNoContextTakeover: has("server_no_context_takeover"),
    clientNoContextTakeover: has("client_no_context_takeover") || offer.clientNoContextTakeover,
    serverMaxWindowBits: bits("server_max_window_bits"),
    clientMaxWindowBits: Math.min(bits("client_max_window_bits"), offer.clientMaxWindowBits),
  };
}
