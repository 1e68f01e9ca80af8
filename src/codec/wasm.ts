/** The types of Node and of "es2024" have no `WebAssembly`. */
interface WithWebAssembly {
  readonly WebAssembly: {
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object) => { readonly exports: unknown };
  };
}

/** What the modules export besides their function. */
export interface WasmMemory {
  readonly memory: { readonly buffer: ArrayBuffer };
}

/**
 * Makes an instance of a module.
 *
 * @param module The module, in hexadecimal.
 * @returns What it exports; `null` if the runtime has no WebAssembly with SIMD, or no memory for it.
 */
export function instantiate<Exports extends WasmMemory>(module: string): Exports | null {
  try {
    const octets = Uint8Array.from(module.match(/../g)!, (octet) => parseInt(octet, 16));
    const { WebAssembly: { Instance, Module } } = globalThis as unknown as WithWebAssembly;
    return new Instance(new Module(octets)).exports as Exports;
  } catch {
    return null;
  }
}
