/** Bounds of the codec room. */

/** MessagePack. `depth`: containers inside containers; `length`: items of one container, bytes of one string. */
export const MSGPACK_LIMITS = { depth: 16, length: 1 << 24 } as const;
