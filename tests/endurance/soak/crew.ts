/** How many honest clients there are. */

/** The clients of a kind that are given their echoes; there are two kinds. */
export const ECHO_CLIENTS = 6;

/** The clients of a kind that receive broadcasts. */
export const SUBSCRIBERS = 2;

/** All of them, the one that publishes included. */
export const HONEST_CLIENTS: number = 2 * (ECHO_CLIENTS + SUBSCRIBERS) + 1;
