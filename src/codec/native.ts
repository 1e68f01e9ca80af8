/** What some runtimes do faster than portable code. */
export interface Native {
  /** Tells whether bytes are UTF-8. */
  readonly isUtf8?: ((bytes: Uint8Array) => boolean) | undefined;
  /** Encodes a long text to UTF-8. */
  readonly encode?: ((text: string) => Uint8Array) | undefined;
  /** Gives memory of its own that may hold anything, and is to be overwritten. */
  readonly allocate?: ((length: number) => Uint8Array<ArrayBuffer>) | undefined;
}

/** What this runtime has. Without an adapter, as in a browser, that is nothing. */
export let native: Native = {};

/** Sets what this runtime has: adapters do so when they are loaded. */
export function useNative(given: Native): void {
  native = given;
}

/** Gives memory for large pieces: all of it is to be overwritten before it is handed out. */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  return native.allocate === undefined ? new Uint8Array(length) : native.allocate(length);
}
