/** The order in which a conversation is read, and what lies between two tips. Spec: swarm §2.4, §3.1. */
import type { ObjectId } from "../git/objects.ts";

/** The little a walk needs to know of a commit. */
export interface Node {
  readonly parents: readonly ObjectId[];
  /** Committer time, seconds. */
  readonly time: number;
}
/** `undefined`: not there. */
export type Graph = (id: ObjectId) => Node | undefined;

/** Everything reachable from `tips` without stepping on anything reachable from `known`. */
export function between(graph: Graph, tips: readonly ObjectId[], known: readonly ObjectId[]): Set<ObjectId> {
  const old = reachable(graph, known), fresh = new Set<ObjectId>(), todo = [...tips];
  while (todo.length) {
    const id = todo.pop()!;
    if (fresh.has(id) || old.has(id)) continue;
    fresh.add(id);
    todo.push(...graph(id)?.parents ?? []);
  }
  return fresh;
}

/** `tips` and all their ancestors. */
export function reachable(graph: Graph, tips: readonly ObjectId[]): Set<ObjectId> {
  const seen = new Set<ObjectId>(), todo = [...tips];
  while (todo.length) {
    const id = todo.pop()!;
    if (seen.has(id)) continue;
    seen.add(id);
    todo.push(...graph(id)?.parents ?? []);
  }
  return seen;
}

/**
 * Commits reachable from `tip` (of `within`, when given), newest first: a commit never comes before all its children
 * have; of those that may come, the one with the latest committer time; of equal ones, the one that became free first.
 */
export function ordered(graph: Graph, tip: ObjectId, within?: ReadonlySet<ObjectId>): ObjectId[] {
  const set = within ?? reachable(graph, [tip]), waiting = new Map<ObjectId, number>();
  for (const id of set) {
    for (const parent of new Set(graph(id)?.parents)) {
      if (set.has(parent)) waiting.set(parent, (waiting.get(parent) ?? 0) + 1);
    }
  }
  const ready = new Heap(), out: ObjectId[] = [];
  if (set.has(tip)) ready.push(tip, graph(tip)?.time ?? 0);
  for (let id = ready.pop(); id !== undefined; id = ready.pop()) {
    out.push(id);
    for (const parent of new Set(graph(id)?.parents)) {
      if (!set.has(parent)) continue;
      const left = waiting.get(parent)! - 1;
      waiting.set(parent, left);
      if (left === 0) ready.push(parent, graph(parent)?.time ?? 0);
    }
  }
  return out;
}

/** The common ancestors of two commits that no other common ancestor descends from, latest first. */
export function mergeBases(graph: Graph, a: ObjectId, b: ObjectId): ObjectId[] {
  const mine = reachable(graph, [a]), common = [...reachable(graph, [b])].filter((id) => mine.has(id));
  const below = new Set<ObjectId>();
  for (const id of common) for (const parent of graph(id)?.parents ?? []) below.add(parent);
  const best = common.filter((id) => !below.has(id));
  return best.sort((x, y) => (graph(y)?.time ?? 0) - (graph(x)?.time ?? 0) || (x < y ? -1 : 1));
}

/** Latest time first, then first in, first out. */
class Heap {
  #items: { id: ObjectId; time: number; turn: number }[] = [];
  #turn = 0;

  push(id: ObjectId, time: number): void {
    const items = this.#items;
    items.push({ id, time, turn: this.#turn++ });
    for (let i = items.length - 1; i > 0;) {
      const up = (i - 1) >> 1;
      if (!sooner(items[i]!, items[up]!)) break;
      [items[i], items[up]] = [items[up]!, items[i]!];
      i = up;
    }
  }

  pop(): ObjectId | undefined {
    const items = this.#items, top = items[0], last = items.pop();
    if (!top || !last) return undefined;
    if (items.length) {
      items[0] = last;
      for (let i = 0;;) {
        const left = 2 * i + 1, right = left + 1;
        let best = i;
        if (left < items.length && sooner(items[left]!, items[best]!)) best = left;
        if (right < items.length && sooner(items[right]!, items[best]!)) best = right;
        if (best === i) break;
        [items[i], items[best]] = [items[best]!, items[i]!];
        i = best;
      }
    }
    return top.id;
  }
}

const sooner = (a: { time: number; turn: number }, b: { time: number; turn: number }) =>
  a.time > b.time || (a.time === b.time && a.turn < b.turn);
