// The memory map: every region has a fixed place, nothing is allocated at run time and nothing is cleared at start,
// so that pages never used are never touched.
import {
  ADDRESSES, ANSWER_BYTES, EARLY_BYTES, EARLY_PARTIALS, EXPECTED, ID_BYTES, KEYS, NODES_LISTED, PACKED_BYTES, PARTIALS,
  PARTIAL_BYTES, VALUES, VALUES_PER_MESSAGE, VALUE_BYTES,
} from "./limits";

const KIB: usize = 1024;
const MIB: usize = 1024 * 1024;

/** What the binding hands in: datagrams, ids, values. */
export const STAGE: usize = 64 * KIB;
export const STAGE_BYTES: usize = 4 * (<usize>PACKED_BYTES + 64);
/** Address of the call: 16 bytes of which IPv4 uses four. */
export const IP: usize = STAGE + STAGE_BYTES;
/** Key of the call for tables: ip 16, port 2, family 1, zero 1, tid 4. */
export const WHO: usize = IP + 16;
export const SMALL: usize = IP + 64;

// Small things, 64 KiB together.
export const SELF: usize = SMALL; // our id, 20
export const AGENT: usize = SMALL + 32; // 16
export const SECRETS: usize = SMALL + 64; // newest 8, previous 8
export const TOKEN: usize = SMALL + 96; // 32
export const TOKEN2: usize = SMALL + 128; // 32
export const SHA_W: usize = SMALL + 192; // 64 words
export const OWED: usize = SMALL + 512; // stack of the guard
export const WINDOW_ALL: usize = SMALL + 1024; // 80
export const KEY_SCRATCH: usize = SMALL + 1280; // 24
export const FIELDS: usize = SMALL + 2048; // of the one big action, for the binding
export const STATS: usize = SMALL + 4096; // f64 each
export const WALK: usize = SMALL + 8192; // stack of the node walk
export const NEAR4: usize = SMALL + 16384; // entries for an answer
export const NEAR6: usize = SMALL + 20480;
export const CONDITIONS_AT: usize = SMALL + 24576; // 32 each
export const PIECES_AT: usize = SMALL + 28672; // 16 each
export const HEAPS: usize = SMALL + 32768; // two heap headers
export const LOST: usize = SMALL + 36864; // addresses of messages given up, 24 each
const AFTER_SMALL: usize = SMALL + 64 * KIB;

/** Byte strings that came as arrays of small ints. */
export const BLOBS: usize = AFTER_SMALL;
/** Action records of 16 bytes. */
export const ACTIONS: usize = BLOBS + 128 * KIB;
export const ACTIONS_MAX: u32 = 16384;
/** Values of the message at hand: pointer and length; as announced: index, size, pointer. */
export const VALUE_LIST: usize = ACTIONS + <usize>ACTIONS_MAX * 16;
export const ANNOUNCED: usize = VALUE_LIST + <usize>VALUES_PER_MESSAGE * 8;
/** Values that match, and cells of rows. */
export const MATCHES: usize = ANNOUNCED + <usize>VALUES_PER_MESSAGE * 12;
export const ROWS: usize = MATCHES + <usize>VALUES * 4;
/** Datagrams to send. */
export const OUT: usize = ROWS + 4 * (<usize>PACKED_BYTES + 64);
export const OUT_BYTES: usize = <usize>ANSWER_BYTES + 2 * MIB;

/** Nodes: per family a sorted list of record numbers, free numbers, records. */
export const NODE_STRIDE: usize = 48;
export const NODES: usize = OUT + OUT_BYTES;
export const NODES_BYTES: usize = <usize>NODES_LISTED * (4 + 4 + NODE_STRIDE) + 64;

/** Tables with a 24-byte key. */
export const ADDRESS_STRIDE: u32 = 40 + 96;
export const ADDRESS_BUCKETS: u32 = 16384;
export const ADDRESS_TABLE: usize = NODES + 2 * NODES_BYTES;
export const EXPECTED_STRIDE: u32 = 40;
export const EXPECTED_BUCKETS: u32 = 16384;
export const EXPECTED_TABLE: usize = ADDRESS_TABLE + 64 + 4 * <usize>ADDRESS_BUCKETS +
  (<usize>ADDRESSES + 1) * <usize>ADDRESS_STRIDE;

/** Incomplete messages. */
export const PARTIAL_STRIDE: usize = 80;
export const PARTIAL_ORDER: usize = EXPECTED_TABLE + 64 + 4 * <usize>EXPECTED_BUCKETS +
  (<usize>EXPECTED + 1) * <usize>EXPECTED_STRIDE;
export const PARTIAL_RECORDS: usize = PARTIAL_ORDER + 4096;
export const PARTIAL_HEAP: usize = (PARTIAL_RECORDS + (<usize>PARTIALS + 1) * PARTIAL_STRIDE + 4095) & ~4095;
/** Head and data, their bits, tables of parts, early pieces, and room to slide. */
export const PARTIAL_HEAP_BYTES: usize = <usize>PARTIAL_BYTES + <usize>PARTIAL_BYTES / 8 + <usize>PARTIALS * 1024 +
  (<usize>EARLY_PARTIALS + 1) * (<usize>EARLY_BYTES + 2048) + 16 * MIB;

/** Values. */
export const KEY_STRIDE: usize = 32;
export const KEY_BUCKETS: u32 = 65536;
export const VALUE_STRIDE: usize = 64;
export const VALUE_BUCKETS: u32 = 131072;
export const KEY_INDEX: usize = PARTIAL_HEAP + PARTIAL_HEAP_BYTES;
export const KEY_RECORDS: usize = KEY_INDEX + 4 * <usize>KEY_BUCKETS;
export const VALUE_INDEX: usize = KEY_RECORDS + (<usize>KEYS + 1) * KEY_STRIDE;
export const VALUE_RECORDS: usize = VALUE_INDEX + 4 * <usize>VALUE_BUCKETS;
export const VALUE_HEAP: usize = (VALUE_RECORDS + (<usize>VALUES + 1) * VALUE_STRIDE + 4095) & ~4095;
export const VALUE_HEAP_BYTES: usize = <usize>VALUE_BYTES + <usize>VALUES * 16 + 16 * MIB;

export const MEMORY_END: usize = VALUE_HEAP + VALUE_HEAP_BYTES;
export const KEY_BYTES: usize = 24;
export const ID: usize = <usize>ID_BYTES;
