import { createLayer } from "../../connection/create_layer.ts";
import type { LayerDefinition } from "../../connection/layer_definition.ts";
import { encodeSwitchingProtocols } from "../../handshake/create_response.ts";
import { entries } from "../../http1/field_line.ts";
import { selectSubprotocol } from "../../handshake/subprotocol.ts";
import type { UpgradeRequest } from "../../handshake/parse_upgrade.ts";
import { ownString } from "../../own_string.ts";
import type { HandshakeOwner } from "../handshake_owner.ts";
import type { UpgradeAcceptance } from "../options.ts";
import type { ServerConnectionInfo } from "../server_connection.ts";

/** What both sides agree upon, and the 101 response that says so. */
type Agreement =
  & Pick<
    ServerConnectionInfo<unknown>,
    "protocol" | "extensions" | "compression" | "layer" | "past"
  >
  & { readonly response: Uint8Array };

/**
 * Agrees with a client upon a subprotocol, a message layer, resuming and compression; `accept` is the value of
 * `Sec-WebSocket-Accept`. Throws a `TypeError` if what the program accepts with can't be used.
 */
export function negotiate(
  accept: string,
  { subprotocols, extensions }: UpgradeRequest,
  { protocol: given, headers }: UpgradeAcceptance<unknown>,
  layers: readonly LayerDefinition[],
  { compression, resume }: Pick<HandshakeOwner<never>, "compression" | "resume">,
): Agreement {
  const offered = withoutOwn(subprotocols, resume?.RESUME);
  const canResume = offered.length < subprotocols.length;
  const layered = offered.find((name) => layers.some((each) => each.subprotocol === name));
  const selected = selectSubprotocol(given ?? layered, offered);
  const protocol = ownString(selected ?? "");
  const layer = createLayer(layers, selected, "server");
  const past = canResume && layer === undefined ? new resume!.ServerLayer(protocol) : undefined;
  const deflate = compression?.accept(extensions);
  const response = encodeSwitchingProtocols({
    accept,
    protocol: past === undefined ? selected : resume!.RESUME,
    extensions: deflate?.response,
    // The header field names the program's subprotocol too: a response selects only one.
    headers: past === undefined
      ? headers
      : [...entries(headers), [resume!.RESUME_FIELD, `"${protocol}"`]],
  });
  return {
    response,
    protocol,
    extensions: deflate?.response ?? "",
    compression: deflate?.open(),
    layer: layer ?? past,
    past,
  };
}

/** The subprotocols that the program may choose from: not the library's own one for resuming. */
export function withoutOwn(
  subprotocols: readonly string[],
  own: string | undefined,
): readonly string[] {
  return own === undefined ? subprotocols : subprotocols.filter((name) => name !== own);
}
