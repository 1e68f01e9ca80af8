import type { ByteChannelHandler } from "./byte_channel.ts";

/** Handles the events of a channel that has no other handler yet, or any more. */
export const IGNORE_EVENTS: ByteChannelHandler = {
  receive() {},
  receiveEnd() {},
  drain() {},
  receiveClosed() {},
};
