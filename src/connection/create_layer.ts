import { checkBoolean, checkFunction, checkMethods, invalidType } from "../checks.ts";
import type { Role } from "../codec/frame.ts";
import { refusePromise } from "../hook_answers.ts";
import type { LayerDefinition } from "./layer_definition.ts";
import type { MessageLayer } from "./message_layer.ts";

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

/** Creates the layer of a subprotocol, if it has one. Throws what the program throws, or if it gives no layer. */
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
