import "../connection/common.ts";

export { DeflateNegotiator } from "../extensions/deflate_negotiator.ts";
