import {
  checkBoolean,
  checkFunction,
  checkList,
  checkMethods,
  checkNames,
  invalidType,
  type Names,
  show,
} from "../checks.ts";
import type { Role } from "../codec/frame.ts";
import { OWN_SUBPROTOCOL } from "../handshake/subprotocol.ts";
import { refusePromise } from "../hooks.ts";
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

const STREAM_METHODS = ["decodeStart", "decodeChunk", "decodeEnd"] as const;
const METHODS = [
  "start",
  "handshake",
  "opened",
  "encode",
  "encodeStart",
  "decode",
  ...STREAM_METHODS,
  "delivered",
  "close",
] as const;

/**
 * Checks the option `layers`.
 *
 * @throws {TypeError} If it is no array, one of them is malformed, or two have the same subprotocol.
 */
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

/**
 * Creates the layer of a subprotocol, if it has one.
 *
 * @throws {TypeError} If what the program gives is no layer.
 * @throws What the program's code throws.
 */
export function createLayer(
  layers: readonly LayerDefinition[],
  protocol: string | undefined,
  role: Role,
): MessageLayer | undefined {
  const definition = layers.find(({ subprotocol }) => subprotocol === protocol);
  if (definition === undefined) return undefined;
  const layer = definition.create({ role });
  checkLayer(`the layer of ${protocol}`, layer);
  return layer;
}

function checkLayer(name: string, layer: MessageLayer): void {
  refusePromise(`create of ${name}`, layer, () => {});
  const isObject = typeof layer === "object" && layer !== null;
  // Unknown names are allowed: they may be the layer's own state.
  if (!isObject || METHODS.every((method) => layer[method] === undefined)) {
    throw invalidType(name, `an object with some of ${METHODS.join(", ")}`, layer);
  }
  for (const method of METHODS) checkFunction(`${method} of ${name}`, layer[method]);
  if (layer.decodeStart !== undefined) checkMethods(name, layer, STREAM_METHODS);
  checkMaxMessageSize(`maxMessageSize of ${name}`, fieldOf(layer, "maxMessageSize"));
  checkBoolean(`isFull of ${name}`, fieldOf(layer, "isFull"));
  const heldSize = fieldOf(layer, "heldSize");
  if (heldSize !== undefined && typeof heldSize !== "number") {
    throw invalidType(`heldSize of ${name}`, "a number", heldSize);
  }
}

/** Gives a field; `undefined` if it is a getter, which may need what the layer has once it has started. */
function fieldOf(layer: MessageLayer, name: keyof MessageLayer): unknown {
  return Object.getOwnPropertyDescriptor(layer, name)?.value;
}

/** @throws {TypeError} If it is neither `undefined`, nor an integer from 0 or `Infinity`. */
export function checkMaxMessageSize(name: string, size: unknown): void {
  if (size === undefined || size === Infinity) return;
  if (Number.isSafeInteger(size) && size as number >= 0) return;
  throw invalidType(name, "an integer from 0, or Infinity", size);
}
