import { checkList, checkNames, type Names, show } from "../checks.ts";
import type { Role } from "../codec/frame.ts";
import { OWN_SUBPROTOCOL } from "../handshake/subprotocol.ts";
import { isToken } from "../http1/characters.ts";
import type { MessageLayer } from "./message_layer.ts";

/** What is known when a layer is created. */
export interface LayerInfo {
  /** The side that the layer is on. */
  readonly role: Role;
}

/** A message layer, as the option `layers` takes it. */
export interface LayerDefinition {
  /** The subprotocol by which both sides agree to it (RFC 6455, section 1.9): a token, and not the library's own. */
  subprotocol: string;
  /**
   * Creates the layer of a connection: an object with at least one method of a layer. If it throws, or gives
   * something else, such as a promise, there is no connection: a server answers with 500 and
   * reports the error to `onError`, and `connect` rejects with it.
   */
  create: (info: LayerInfo) => MessageLayer;
}

const DEFINITION: Names<LayerDefinition> = { subprotocol: true, create: true };

/** Checks the option `layers`; throws a `TypeError` if one is malformed, or two have one subprotocol. */
export function resolveLayers(given: readonly LayerDefinition[] = []): readonly LayerDefinition[] {
  checkList("layers", given);
  const names = new Set<string>();
  return given.map((definition, index) => {
    const name = `layers[${index}]`;
    checkNames(name, definition, DEFINITION);
    const { subprotocol, create } = definition;
    if (typeof subprotocol !== "string" || !isToken(subprotocol)) {
      throw new TypeError(
        `Cannot use ${show(subprotocol)} as ${name}.subprotocol: it must be a token`,
      );
    }
    if (typeof create !== "function") {
      throw new TypeError(`Cannot use ${show(create)} as ${name}.create: it must be a function`);
    }
    if (subprotocol === OWN_SUBPROTOCOL) {
      throw new TypeError(
        `${name}.subprotocol must not be ${subprotocol}: it is the library's own`,
      );
    }
    if (names.has(subprotocol)) {
      throw new TypeError(`${name}.subprotocol must be the only ${subprotocol} of layers`);
    }
    names.add(subprotocol);
    return { subprotocol, create: (info) => create.call(definition, info) };
  });
}
