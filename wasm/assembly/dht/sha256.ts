// SHA-256 of one short message (at most 55 bytes): what a write token needs. Unrolled it would be a quarter quicker
// and as long as all the rest: not worth it.
import { SHA_W } from "./memory";

const K = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
  0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
  0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
  0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
  0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
  0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
  0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
]);

/** Digest of the `count` bytes that lie at `SHA_W` (they are padded there), written to `to`. */
export function sha256(count: usize, to: usize): void {
  memory.fill(SHA_W + count, 0, 64 - count);
  store<u8>(SHA_W + count, 0x80);
  store<u16>(SHA_W + 62, bswap<u16>(<u16>(count << 3)));
  for (let i: usize = 0; i < 64; i += 4) store<u32>(SHA_W + i, bswap<u32>(load<u32>(SHA_W + i)));
  for (let i: usize = 64; i < 256; i += 4) {
    const x = load<u32>(SHA_W + i - 60), y = load<u32>(SHA_W + i - 8);
    const s0 = rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
    const s1 = rotr<u32>(y, 17) ^ rotr<u32>(y, 19) ^ (y >> 10);
    store<u32>(SHA_W + i, load<u32>(SHA_W + i - 64) + s0 + load<u32>(SHA_W + i - 28) + s1);
  }
  let a: u32 = 0x6a09e667, b: u32 = 0xbb67ae85, c: u32 = 0x3c6ef372, d: u32 = 0xa54ff53a;
  let e: u32 = 0x510e527f, f: u32 = 0x9b05688c, g: u32 = 0x1f83d9ab, h: u32 = 0x5be0cd19;
  for (let i: usize = 0; i < 256; i += 4) {
    const s1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25);
    const t1 = h + s1 + (g ^ (e & (f ^ g))) + load<u32>(K + i) + load<u32>(SHA_W + i);
    const s0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22);
    const t2 = s0 + ((a & b) | (c & (a | b)));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  store<u32>(to, bswap<u32>(a + 0x6a09e667));
  store<u32>(to, bswap<u32>(b + 0xbb67ae85), 4);
  store<u32>(to, bswap<u32>(c + 0x3c6ef372), 8);
  store<u32>(to, bswap<u32>(d + 0xa54ff53a), 12);
  store<u32>(to, bswap<u32>(e + 0x510e527f), 16);
  store<u32>(to, bswap<u32>(f + 0x9b05688c), 20);
  store<u32>(to, bswap<u32>(g + 0x1f83d9ab), 24);
  store<u32>(to, bswap<u32>(h + 0x5be0cd19), 28);
}
