/** What some runtimes do faster than portable code. */
export interface Native {
  /** Tells whether bytes are UTF-8. */
  readonly isUtf8?: ((bytes: Uint8Array) => boolean) | undefined;
}

/** What this runtime has. Without an adapter, as in a browser, that is nothing. */
export let native: Native = {};

/** Sets what this runtime has: adapters do so when they are loaded. */
export function useNative(given: Native): void {
  native = given;
}
