/** The kernel's words, as this room uses them. */
export * from "../../wasm/mod.ts";
