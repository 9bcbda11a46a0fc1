/** The names a server of ours keeps. First come, first served, for ever; one name per account. Spec: account §7.2. */
import { CoreError, utf8 } from "../base/mod.ts";
import { verifySignature } from "../crypto/mod.ts";
import type { Home, Row, Rows, Schema } from "../storage/mod.ts";
import { LIMITS } from "./limits.ts";
import { decodeBase64, decodeKey, normalName, readAddress } from "./record.ts";

const SCHEMA: Schema = {
  durability: "full",
  migrations: [
    `create table name (
      name text primary key,
      jami_id text not null unique,
      owner text not null,
      public_key text not null,
      signature text not null,
      created integer not null
    ) strict`,
  ],
};

/** One registered name as the protocol shows it. */
export interface NameEntry {
  readonly name: string;
  /** `0x` and 40 hex digits. */
  readonly addr: string;
  readonly owner: string;
  readonly publickey: string;
  readonly signature: string;
}

export class NameDirectory {
  readonly #rows: Rows;
  constructor(home: Home) {
    this.#rows = home.rows("directory", SCHEMA);
  }

  byName(name: string): NameEntry | undefined {
    return entry(this.#rows.get("select * from name where name = ?", name.toLowerCase()));
  }

  byAddress(address: string): NameEntry | undefined {
    const id = readAddress(address);
    return id && entry(this.#rows.get("select * from name where jami_id = ?", id));
  }

  get size(): number {
    return this.#rows.get("select count(*) as n from name")!.n as number;
  }

  /**
   * Takes a registration. The key must be the address's and must have signed the name.
   * @returns true if it was new, false if the same account had it already.
   * @throws {CoreError} `names/bad-address`, `names/bad-owner`, `names/bad-name`, `names/incomplete`,
   * `names/bad-signature`, `names/taken`, `names/full`.
   */
  async register(rawName: string, body: Readonly<Record<string, unknown>>, wall: number): Promise<boolean> {
    const jamiId = readAddress(typeof body.addr === "string" ? body.addr.replace(/^ring:/, "") : undefined);
    if (!jamiId) throw new CoreError("names/bad-address");
    const owner = typeof body.owner === "string" ? body.owner.toLowerCase().replace(/^0x/, "") : "";
    if (!/^[0-9a-f]{40}$/.test(owner)) throw new CoreError("names/bad-owner");
    const name = normalName(rawName),
      key = decodeKey(body.publickey),
      signature = decodeBase64(body.signature);
    if (!key || !signature) throw new CoreError("names/incomplete");
    const good = key.shortId as string === jamiId && await verifySignature(key.der, utf8(name), signature);
    if (!good) throw new CoreError("names/bad-signature");
    return this.#rows.transaction(() => {
      const same = this.byName(name), other = this.byAddress(jamiId);
      if (same && same.addr === `0x${jamiId}` && same.owner === `0x${owner}`) return false;
      if (same || other) throw new CoreError("names/taken");
      if (this.size >= LIMITS.names) throw new CoreError("names/full", { limit: LIMITS.names });
      const [publicKey, proof] = [utf8(key.pem).toBase64(), signature.toBase64()];
      const sql = "insert into name values (?, ?, ?, ?, ?, ?)";
      this.#rows.run(sql, name, jamiId, owner, publicKey, proof, Math.floor(wall));
      return true;
    });
  }
}

const entry = (row: Row | undefined): NameEntry | undefined =>
  row && {
    name: row.name as string,
    addr: `0x${row.jami_id}`,
    owner: `0x${row.owner}`,
    publickey: row.public_key as string,
    signature: row.signature as string,
  };
