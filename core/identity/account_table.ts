/** Where accounts are kept: one row each, so that every change of an account is one transaction. */
import { type AccountId, accountId, CoreError, type DeviceId, deviceId } from "../base/mod.ts";
import type { Home, Row, Rows, Schema } from "../storage/mod.ts";
import type { Belongings } from "./archive.ts";
import type { Receipt } from "./receipt.ts";

const SCHEMA: Schema = {
  durability: "full",
  migrations: [
    `create table account (
      id text primary key,
      position integer not null,
      created integer not null,
      jami_id text not null unique,
      device_id text not null,
      display_name text not null,
      device_name text not null,
      registered_name text,
      has_password integer not null,
      archive blob not null,
      device_key blob not null,
      chain text not null,
      receipt text not null,
      receipt_signature blob not null,
      crl blob,
      inherited text not null
    ) strict`,
  ],
};

/** What may be shown of an account. */
export interface AccountRecord {
  /** 16 hex digits, known here only. */
  readonly id: string;
  readonly jamiId: AccountId;
  readonly deviceId: DeviceId;
  readonly displayName: string;
  readonly deviceName: string;
  readonly registeredName: string | undefined;
  readonly hasPassword: boolean;
  /** Milliseconds since 1970. */
  readonly created: number;
}

/** What makes the account work. */
export interface AccountSecrets {
  readonly archive: Uint8Array;
  /** PKCS#8 DER. */
  readonly deviceKey: Uint8Array;
  /** PEM, device first. */
  readonly chain: string;
  readonly receipt: Receipt;
  /** The account's revocation list as far as it is known, DER. */
  readonly crl: Uint8Array | undefined;
}

/** Columns that change after an account was made. */
export interface AccountChange {
  readonly displayName?: string;
  readonly deviceName?: string;
  readonly registeredName?: string | undefined;
  readonly archive?: Uint8Array;
  readonly hasPassword?: boolean;
  readonly crl?: Uint8Array;
}

const SHOWN = "id, jami_id, device_id, display_name, device_name, registered_name, has_password, created";

export class AccountTable {
  readonly #rows: Rows;
  constructor(home: Home) {
    this.#rows = home.rows("identity", SCHEMA);
  }

  list(): AccountRecord[] {
    return this.#rows.all(`select ${SHOWN} from account order by position, id`).map(record);
  }

  /** @throws {CoreError} `identity/unknown-account`. */
  record(id: string): AccountRecord {
    return record(this.#row(SHOWN, id));
  }

  /** @throws {CoreError} `identity/unknown-account`. */
  secrets(id: string): AccountSecrets {
    const row = this.#row("archive, device_key, chain, receipt, receipt_signature, crl", id);
    return {
      archive: row.archive as Uint8Array,
      deviceKey: row.device_key as Uint8Array,
      chain: row.chain as string,
      receipt: { text: row.receipt as string, signature: row.receipt_signature as Uint8Array },
      crl: (row.crl ?? undefined) as Uint8Array | undefined,
    };
  }

  /** @throws {CoreError} `identity/unknown-account`. */
  inherited(id: string): Belongings {
    return JSON.parse(this.#row("inherited", id).inherited as string);
  }

  /** @throws {CoreError} `identity/account-exists` if this home has a device of that account already. */
  insert(shown: AccountRecord, secrets: AccountSecrets, inherited: Belongings): void {
    this.#rows.transaction(() => {
      const same = this.#rows.get("select id from account where jami_id = ?", shown.jamiId);
      if (same) throw new CoreError("identity/account-exists", { id: same.id, jamiId: shown.jamiId });
      this.#rows.run(
        `insert into account values (?, (select coalesce(max(position), 0) + 1 from account),
          ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
        shown.id,
        shown.created,
        shown.jamiId,
        shown.deviceId,
        shown.displayName,
        shown.deviceName,
        shown.registeredName ?? null,
        Number(shown.hasPassword),
        secrets.archive,
        secrets.deviceKey,
        secrets.chain,
        secrets.receipt.text,
        secrets.receipt.signature,
        secrets.crl ?? null,
        JSON.stringify(inherited),
      );
    });
  }

  /** All of `change` or nothing. @throws {CoreError} `identity/unknown-account`. */
  update(id: string, change: AccountChange): void {
    this.#rows.transaction(() => {
      this.record(id);
      const set = (column: string, cell: string | number | Uint8Array | null) =>
        this.#rows.run(`update account set ${column} = ? where id = ?`, cell, id);
      if (change.displayName !== undefined) set("display_name", change.displayName);
      if (change.deviceName !== undefined) set("device_name", change.deviceName);
      if ("registeredName" in change) set("registered_name", change.registeredName ?? null);
      if (change.archive) set("archive", change.archive);
      if (change.hasPassword !== undefined) set("has_password", Number(change.hasPassword));
      if (change.crl) set("crl", change.crl);
    });
    if (change.archive) this.#rows.scrub(); // the archive under the old password must not linger
  }

  /** @throws {CoreError} `identity/unknown-account`. */
  remove(id: string): void {
    if (this.#rows.run("delete from account where id = ?", id) === 0) throw unknown(id);
    this.#rows.scrub();
  }

  #row(columns: string, id: string): Row {
    const row = this.#rows.get(`select ${columns} from account where id = ?`, id);
    if (!row) throw unknown(id);
    return row;
  }
}

const record = (row: Row): AccountRecord => ({
  id: row.id as string,
  jamiId: accountId(row.jami_id as string),
  deviceId: deviceId(row.device_id as string),
  displayName: row.display_name as string,
  deviceName: row.device_name as string,
  registeredName: (row.registered_name ?? undefined) as string | undefined,
  hasPassword: row.has_password === 1,
  created: row.created as number,
});

const unknown = (id: string) => new CoreError("identity/unknown-account", { id: id.slice(0, 64) });
