import { show } from "../checks.ts";
import { isToken } from "../http1/characters.ts";

/** The subprotocol that is the library's own: no layer of a program may have it. */
export const OWN_SUBPROTOCOL = "sluice.resume.v1";

/** Throws a `TypeError` unless a value is a token. `verb` is what can't be done, such as `"offer"`. */
export function checkSubprotocol(verb: string, value: unknown): void {
  if (typeof value === "string" && isToken(value)) return;
  throw new TypeError(`Cannot ${verb} the subprotocol ${show(value)}: it must be a token`);
}

/**
 * Checks the subprotocol that the program selected against those that the client offered. None is selected
 * by default: if the program selects none, the connection has none.
 *
 * @param selected The subprotocol that the program selected; `undefined` for none.
 * @param offered The subprotocols that the client offered, in its order of preference.
 * @returns `selected`.
 * @throws {TypeError} If `selected` is not a token, or was not offered: the client would have to fail the
 * connection (RFC 6455, section 4.1).
 */
export function selectSubprotocol(
  selected: string | undefined,
  offered: readonly string[],
): string | undefined {
  if (selected === undefined) return undefined;
  checkSubprotocol("select", selected);
  // Subprotocols are compared case-sensitively (RFC 6455, section 4.1).
  if (!offered.includes(selected)) {
    const offers = offered.length === 0
      ? "the client offered none"
      : `the client offered ${offered.join(", ")}`;
    throw new TypeError(`Cannot select the subprotocol "${selected}": ${offers}`);
  }
  return selected;
}
