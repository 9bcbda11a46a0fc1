// Write tokens. Spec: dht §1.9.
import { IP, SECRETS, SHA_W, TOKEN, TOKEN2 } from "./memory";
import { sha256 } from "./sha256";

/** The token of the address at IP under secret 0 (newest) or 1, at `to`. */
export function makeToken(which: usize, ipBytes: u32, port: u32, to: usize): void {
  store<u64>(SHA_W, load<u64>(SECRETS + (which << 3)));
  memory.copy(SHA_W + 8, IP, ipBytes);
  store<u16>(SHA_W + 8 + ipBytes, bswap<u16>(<u16>port));
  sha256(10 + ipBytes, to);
}

/** Compares in constant time. */
export function tokenGood(token: usize, count: u32, ipBytes: u32, port: u32): bool {
  if (count != 32) return false;
  makeToken(0, ipBytes, port, TOKEN);
  makeToken(1, ipBytes, port, TOKEN2);
  return (differ(token, TOKEN) == 0) | (differ(token, TOKEN2) == 0);
}

function differ(a: usize, b: usize): u64 {
  let sum: u64 = 0;
  for (let i: usize = 0; i < 32; i += 8) sum |= load<u64>(a + i) ^ load<u64>(b + i);
  return sum;
}
