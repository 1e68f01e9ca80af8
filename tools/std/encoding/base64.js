// @ts-self-types="./base64.d.ts"
export * from "deno-std/encoding/base64.js";
