/** What a message costs besides its bytes, in bytes, so that short ones are bounded too. */
export const MESSAGE_COST = 256;
