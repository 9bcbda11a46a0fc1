/** Storage: rows, small files and the home that holds them; on disk by SQLite, or in memory. Floor 2. */
export * from "./limits.ts";
export * from "./store.ts";
export * from "./paths.ts";
export { readWhole, writeWhole } from "./files_io.ts";
export { type HomeOptions, openHome } from "./home_io.ts";
export { memoryHome } from "./memory_io.ts";
