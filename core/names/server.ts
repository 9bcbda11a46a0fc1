/** The name server's routes: the protocol Jami clients of both generations speak. Spec: account §7.1. */
import { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { type Clock, CoreError } from "../base/mod.ts";
import type { NameDirectory, NameEntry } from "./directory.ts";
import { LIMITS } from "./limits.ts";
import { Rates } from "./rates.ts";
import { normalName, readAddress } from "./record.ts";

const STATUS: Readonly<Record<string, 400 | 401 | 403 | 413 | 429 | 507>> = {
  "names/bad-address": 400,
  "names/bad-owner": 400,
  "names/bad-name": 400,
  "names/incomplete": 400,
  "names/bad-body": 400,
  "names/bad-signature": 401,
  "names/taken": 403,
  "names/too-big": 413,
  "names/too-many": 429,
  "names/full": 507,
};

/** What a route may know of its caller. */
export type NameBindings = { Bindings: { address?: string } };

/** The routes over `directory`. Errors answer `{ error: CODE }`. */
export function nameServer(directory: NameDirectory, clock: Clock): Hono<NameBindings> {
  const asking = new Rates(LIMITS.requestsPerMinute, 60_000),
    naming = new Rates(LIMITS.registrationsPerHour, 3_600_000);
  const admit = (rates: Rates, address: string | undefined) => {
    if (!rates.admit(address ?? "", clock.now())) throw new CoreError("names/too-many");
  };
  const app = new Hono<NameBindings>();
  app.use(async (c, next) => {
    admit(asking, c.env?.address);
    await next();
  });
  app.onError((error, c) => {
    const status = error instanceof CoreError ? STATUS[error.code] : undefined;
    return status
      ? c.json({ error: (error as CoreError).code }, status)
      : c.json({ error: "names/internal" }, 500);
  });
  app.notFound((c) => c.json({ error: "names/not-found" }, 404));
  app.get("/name/:name", (c) => {
    const entry = directory.byName(normalName(c.req.param("name")));
    return entry ? c.json(shown(entry)) : c.notFound();
  });
  app.get("/name/:name/:part{publickey|signature|owner}", (c) => {
    const entry = directory.byName(normalName(c.req.param("name")));
    const part = c.req.param("part") as "publickey" | "signature" | "owner";
    return entry ? c.json({ name: entry.name, [part]: entry[part] }) : c.notFound();
  });
  app.get("/addr/:address", (c) => {
    const address = c.req.param("address");
    if (!readAddress(address)) throw new CoreError("names/bad-address");
    const entry = directory.byAddress(address);
    return entry ? c.json(shown(entry)) : c.notFound();
  });
  const tooBig = () => {
    throw new CoreError("names/too-big");
  };
  app.post("/name/:name", bodyLimit({ maxSize: LIMITS.requestBytes, onError: tooBig }), async (c) => {
    admit(naming, c.env?.address);
    const body: unknown = await c.req.json().catch(() => undefined);
    if (typeof body !== "object" || body === null || Array.isArray(body)) {
      throw new CoreError("names/bad-body");
    }
    await directory.register(c.req.param("name"), body as Record<string, unknown>, clock.wall());
    return c.json({ success: true });
  });
  return app;
}

const shown = ({ name, addr, publickey, signature }: NameEntry) => ({ name, addr, publickey, signature });
