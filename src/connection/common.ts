/**
 * What nearly all parts of a server stand on. Each part that is loaded later imports all of it, so that bundlers have
 * it in one chunk: by themselves they make one for each group of files that the same parts need.
 *
 * @module
 */

import "../codec/byte_collector.ts";
import "../codec/close_code.ts";
import "../errors.ts";
import "../fifo.ts";
import "../handshake/encode_accept.ts";
import "../handshake/origin.ts";
import "../handshake/parse_upgrade.ts";
import "../hooks.ts";
import "../http1/field_section.ts";
import "../http1/head_limits.ts";
import "../loaded_checks.ts";
import "../promises.ts";
import "../protocol/protocol.ts";
import "../timers.ts";
import "../transport/address_group.ts";
import "../basic_values.ts";
import "./load_parts.ts";
import "./settings.ts";
import "./web_socket_connection.ts";
