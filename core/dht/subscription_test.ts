import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { utf8 } from "../base/mod.ts";
import { LIMITS } from "./limits.ts";
import { Subscription } from "./subscription.ts";
import { makeValue, type Value, type ValueFields } from "./value.ts";

const ANY = { select: [], where: [] }, OWNER = Uint8Array.of(1, 2, 3);
function scene() {
  const subscription = new Subscription(new Uint8Array(20), ANY), heard: string[] = [];
  const say = (value: Value, expired: boolean) =>
    heard.push((expired ? "-" : "+") + new TextDecoder().decode(value.data));
  subscription.add({ query: ANY, heard: say });
  const value = (text: string, more: ValueFields = {}) => makeValue({ id: 1n, data: utf8(text), ...more });
  const signed = (text: string, seq: number) =>
    value(text, { owner: OWNER, seq, signature: Uint8Array.of(seq, text.length) });
  return { subscription, heard, value, signed };
}

Deno.test("Subscription tells of a value once, and of its end when its last holder drops it", () => {
  const { subscription, heard, value } = scene();
  for (const holder of ["a", "b", "a"]) subscription.gain(holder, value("x"));
  subscription.lose("a", 1n);
  subscription.lose("a", 1n);
  deepStrictEqual(heard, ["+x"]);
  subscription.lose("b", 1n);
  deepStrictEqual(heard, ["+x", "-x"]);
});
Deno.test("Subscription tells of an edition with a higher number, not of an older one still out there", () => {
  const { subscription, heard, signed } = scene();
  subscription.gain("a", signed("one", 1));
  subscription.gain("b", signed("two", 2));
  subscription.gain("c", signed("one", 1));
  subscription.gain("a", signed("two", 2));
  subscription.lose("c", 1n);
  subscription.lose("b", 1n);
  deepStrictEqual(heard, ["+one", "+two"]);
  subscription.lose("a", 1n);
  deepStrictEqual(heard, ["+one", "+two", "-two"]);
});
Deno.test("[dht H15] a stranger who claims an id first hides nobody's value behind it", () => {
  const { subscription, heard, value, signed } = scene();
  subscription.gain("liar", value("junk"));
  subscription.gain("honest", signed("real", 1));
  deepStrictEqual(heard, ["+junk", "+real"]);
  for (let i = 0; i < 10; i++) subscription.gain(`liar ${i}`, value(`junk ${i}`));
  strictEqual(heard.length, LIMITS.variants);
  strictEqual(subscription.crowded, 10 + 2 - LIMITS.variants);
  deepStrictEqual([...subscription.values()].length, LIMITS.variants);
});
Deno.test("a holder that changes its mind takes back what it said before", () => {
  const { subscription, heard, value } = scene();
  subscription.gain("a", value("x"));
  subscription.gain("a", value("y"));
  deepStrictEqual(heard, ["+x", "+y", "-x"]);
});
