/**
 * What nearly all parts above the protocol stand on: see `codec/common.ts`.
 *
 * @module
 */

import "../codec/common.ts";
import "../http1/authority.ts";
import "../http1/characters.ts";
import "../http1/field_values.ts";
import "../http1/latin1.ts";
import "../http1/request_error.ts";
import "../http1/request_target.ts";
import "../transport/address_group.ts";
import "../transport/delays.ts";
import "./close_payload.ts";
import "./protocol.ts";
