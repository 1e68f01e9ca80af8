/**
 * What nearly all parts of a server stand on. Each part that is loaded later imports all of it, so that bundlers have
 * it in one chunk: by themselves they make one for each group of files that the same parts need.
 *
 * @module
 */

import "../handshake/accept_key.ts";
import "../handshake/encode_accept.ts";
import "../handshake/parse_upgrade.ts";
import "../http1/request_head_parser.ts";
import "../http1/retained_request.ts";
import "./open_connection.ts";
import "./settings.ts";
import "./web_socket_connection.ts";
