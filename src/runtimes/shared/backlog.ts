/**
 * The length of the system's queue of connections that are not accepted yet. When it is full, clients must
 * retransmit their SYN, after a second or more. It is the default maximum of Linux; that of runtimes is 511.
 */
export const BACKLOG = 4096;
