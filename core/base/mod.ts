/** Words everyone shares: machines, time, randomness, addresses, ids, bytes, errors, logs. Floor 0. */
export * from "./address.ts";
export * from "./bytes.ts";
export * from "./env.ts";
export * from "./errors.ts";
export * from "./ids.ts";
export * from "./log.ts";
export * from "./machine.ts";
export * from "./clock_io.ts";
export * from "./log_io.ts";
export * from "./net_io.ts";
