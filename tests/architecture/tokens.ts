/**
 * Cuts TypeScript into tokens, as far as the import graph needs it: what is in comments, strings,
 * templates and regular expressions is no code.
 *
 * @module
 */

/** One token. */
export interface Token {
  /** What it is; a string's text is without its quotes, a template's and a regexp's is empty. */
  kind: "word" | "string" | "template" | "regexp" | "sign";
  /** Its text. */
  text: string;
  /** Its line, from 1. */
  line: number;
}

// In this order: what begins like something shorter comes first.
const PIECES =
  /(?<space>\s+|\/\/[^\n]*|\/\*[^]*?\*\/)|(?<word>#?[\p{ID_Start}$_][\p{ID_Continue}$]*)|(?<number>\d[\w.]*)|(?<string>"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*')|(?<sign>[^])/uy;
const REGEXP = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[^]|\$(?!\{))*/y;

/** Words after which a slash begins a regular expression. */
const BEFORE_EXPRESSION = /^(?:return|typeof|case|do|else|in|of|instanceof|new|void|yield|await)$/;

/** Tells whether a slash after `token` divides; where not, it begins a regular expression. */
function isDividend(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.kind === "word") return !BEFORE_EXPRESSION.test(token.text);
  return token.kind !== "sign" || /^[)\]}]$/.test(token.text);
}

/** Cuts `source` into tokens. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let offset = 0;
  let line = 1;

  function take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = offset;
    const match = pattern.exec(source);
    if (match !== null) {
      offset = pattern.lastIndex;
      line += match[0].split("\n").length - 1;
    }
    return match;
  }

  /** Takes code up to the end, or to the brace that ends an expression in a template. */
  function takeCode(isInTemplate: boolean): void {
    let depth = 0;
    while (offset < source.length) {
      const start = line;
      const last = tokens.at(-1);
      const rest = source.slice(offset, offset + 2);
      if (rest[0] === "/" && rest !== "//" && rest !== "/*" && !isDividend(last) && take(REGEXP)) {
        tokens.push({ kind: "regexp", text: "", line: start });
        continue;
      }
      const { word, number, string, sign } = take(PIECES)!.groups!;
      if (word !== undefined) tokens.push({ kind: "word", text: word, line: start });
      else if (number !== undefined) tokens.push({ kind: "word", text: number, line: start });
      else if (string !== undefined) {
        tokens.push({ kind: "string", text: string.slice(1, -1), line: start });
      } else if (sign === "`") {
        takeTemplate();
        tokens.push({ kind: "template", text: "", line: start });
      } else if (sign !== undefined) {
        if (sign === "{") depth++;
        if (sign === "}" && depth-- === 0 && isInTemplate) return;
        tokens.push({ kind: "sign", text: sign, line: start });
      }
    }
  }

  /** Takes a template up to its closing quote; the code of its expressions counts as code. */
  function takeTemplate(): void {
    for (;;) {
      take(TEMPLATE_TEXT);
      const opensExpression = source[offset] === "$";
      offset += opensExpression ? 2 : 1;
      if (!opensExpression) return;
      takeCode(true);
    }
  }

  takeCode(false);
  return tokens;
}
