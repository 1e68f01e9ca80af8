import { isToken } from "../http1/characters.ts";

/**
 * Checks the subprotocol an application selected against those the client offered. None is ever
 * selected silently: where the application names none, the connection has none.
 *
 * @param selected What the application selected; `undefined` for none.
 * @param offered What the client offered, in its order of preference.
 * @returns `selected`.
 * @throws {TypeError} Where `selected` is no token, or was not offered: the client would have to fail the
 * connection (RFC 6455, section 4.1).
 */
export function selectSubprotocol(
  selected: string | undefined,
  offered: readonly string[],
): string | undefined {
  if (selected === undefined) return undefined;
  if (typeof selected !== "string" || !isToken(selected)) {
    throw new TypeError(
      `Cannot select the subprotocol ${JSON.stringify(selected)}: it must be a token`,
    );
  }
  // Subprotocols are compared case-sensitively (RFC 6455, section 4.1).
  if (!offered.includes(selected)) {
    const offers = offered.length === 0
      ? "the client offered none"
      : `the client offered ${offered.join(", ")}`;
    throw new TypeError(`Cannot select the subprotocol "${selected}": ${offers}`);
  }
  return selected;
}
