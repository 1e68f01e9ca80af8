/** What a message that is kept costs besides its bytes: see {@linkcode ResumeOptions.windowSize}. */
export const MESSAGE_COST = 256;
