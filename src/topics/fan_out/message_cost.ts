/** How many bytes a message counts for besides its own, so that limits bound the number of short messages, too. */
export const MESSAGE_COST = 256;
