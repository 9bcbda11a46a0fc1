/** Bounds of the codec room. */

/** MessagePack. `depth`: containers inside containers; `length`: items of one container, bytes of one string. */
export const MSGPACK_LIMITS = { depth: 16, length: 1 << 24 } as const;

/** DER. `children`: elements read out of one parent; `oidBytes`: content of one identifier. */
export const DER_LIMITS = { children: 4096, oidBytes: 64 } as const;

/** PEM. `bytes`: one text; `blocks`: in one text. */
export const PEM_LIMITS = { bytes: 1 << 20, blocks: 64 } as const;
