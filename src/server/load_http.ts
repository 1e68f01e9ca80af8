/** Plain HTTP, refusals and hooks: see `http/mod.ts`. */
export type Http = typeof import("./http/mod.ts");

/** The same, once it is loaded. */
export let http: Http | undefined;

/** Loads it. */
export async function loadHttp(): Promise<Http> {
  return http ??= await import("./http/mod.ts");
}
