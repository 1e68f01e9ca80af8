import type { ConnectionSettings } from "./settings.ts";

/** The parts of connections that are loaded beside what every connection runs. */
export interface ConnectionParts {
  /** For some calls of the program, on any connection. */
  rest?: typeof import("./rest.ts");
  /** Iteration, streams and `asWebSocket`: for connections without callbacks. */
  views?: typeof import("./views/mod.ts");
  /** For connections with a message layer. */
  layers?: typeof import("./layer_runner.ts");
  /** For the option `rateLimits`. */
  rateLimiter?: typeof import("./rate_limiter.ts");
}

/** The parts that are loaded. */
export const parts: ConnectionParts = {};

/** Loads what connections with these settings may need; `hasOwnLayer`: the library itself may add a layer. */
export async function loadConnectionParts(
  { layers, rateLimits }: ConnectionSettings,
  hasCallbacks: boolean,
  hasOwnLayer: boolean,
): Promise<void> {
  await Promise.all([
    import("./rest.ts").then((rest) => parts.rest = rest),
    hasCallbacks || import("./views/mod.ts").then((views) => parts.views = views),
    (layers.length === 0 && !hasOwnLayer) ||
    import("./layer_runner.ts").then((runner) => parts.layers = runner),
    rateLimits === undefined ||
    import("./rate_limiter.ts").then((limiter) => parts.rateLimiter = limiter),
  ]);
}
