/** The interfaces of the options that are objects themselves. */
export const OPTION_GROUPS: Record<string, string> = {
  limits: "Limits",
  rateLimits: "RateLimits",
  keepAlive: "KeepAlive",
  memoryBudget: "MemoryBudgetOptions",
  presence: "PresenceOptions",
  resume: "ResumeOptions",
  compression: "CompressionOptions",
};
