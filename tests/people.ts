/** Test helper: people with real (short) keys and real certificates, and a repository in memory they commit to. */
import type { AccountId, DeviceId } from "../core/base/mod.ts";
import { utf8 } from "../core/base/mod.ts";
import { formatJsoncpp, type JsonObject } from "../core/codec/mod.ts";
import { generateRsaKey, type PrivateKey } from "../core/crypto/mod.ts";
import { buildCertificate, type Certificate, certificatePem, chainPem } from "../core/identity/mod.ts";
import { signedCommit, unsignedCommit } from "../core/swarm/git/commit.ts";
import { type GitObject, type ObjectId, objectId, type ObjectType } from "../core/swarm/git/objects.ts";
import { buildTrees, type Files } from "../core/swarm/repo/tree.ts";

export const START = 1_700_000_000; // seconds
const YEARS = 10 * 365 * 86_400_000;

export interface Device {
  readonly key: PrivateKey;
  readonly certificate: Certificate;
  readonly id: DeviceId;
  readonly pem: string;
}
export interface Person extends Device {
  readonly name: string;
  readonly accountKey: PrivateKey;
  readonly authority: Certificate;
  readonly accountCertificate: Certificate;
  readonly account: AccountId;
  /** Account certificate and its authority, as `admins/` and `members/` hold them. */
  readonly memberPem: string;
}

const serial = () => crypto.getRandomValues(new Uint8Array(8));
const dates = { notBefore: START * 1000 - 86_400_000, notAfter: START * 1000 + YEARS };

export async function makeDevice(
  issuer: Certificate,
  issuerKey: PrivateKey,
  wish: Partial<typeof dates> = {},
): Promise<Device> {
  const key = await generateRsaKey({ bits: 2048 });
  const certificate = await buildCertificate(
    {
      kind: "device",
      commonName: "Jami device",
      publicKey: key.publicKey,
      issuer,
      serial: serial(),
      ...dates,
      ...wish,
    },
    issuerKey,
  );
  return { key, certificate, id: certificate.longId, pem: certificatePem(certificate) };
}

export async function makePerson(name: string): Promise<Person> {
  const [rootKey, accountKey] = await Promise.all([
    generateRsaKey({ bits: 2048 }),
    generateRsaKey({ bits: 2048 }),
  ]);
  const authority = await buildCertificate(
    { kind: "authority", commonName: "Jami CA", publicKey: rootKey.publicKey, serial: serial(), ...dates },
    rootKey,
  );
  const accountCertificate = await buildCertificate(
    {
      kind: "authority",
      commonName: name,
      publicKey: accountKey.publicKey,
      issuer: authority,
      serial: serial(),
      ...dates,
    },
    rootKey,
  );
  return {
    ...await makeDevice(accountCertificate, accountKey),
    name,
    accountKey,
    authority,
    accountCertificate,
    account: accountCertificate.id as AccountId,
    memberPem: chainPem([accountCertificate, authority]),
  };
}

export interface Wish {
  readonly by: Device & { readonly name?: string };
  readonly parents?: readonly ObjectId[];
  /** Path → text, bytes, or null to delete. Starts from the first parent's files. */
  readonly put?: Readonly<Record<string, string | Uint8Array | null>>;
  readonly body?: JsonObject | string;
  readonly time?: number;
  readonly sign?: (unsigned: Uint8Array) => Promise<Uint8Array> | Uint8Array;
}

/** Objects in memory. */
export class MemoryRepository {
  readonly objects = new Map<ObjectId, GitObject>();
  readonly #files = new Map<ObjectId, Files>();
  #clock = START;
  get = (id: ObjectId) => Promise.resolve(this.objects.get(id));

  store(type: ObjectType, body: Uint8Array): ObjectId {
    const id = objectId(type, body);
    this.objects.set(id, { type, body });
    return id;
  }
  files(commit: ObjectId): Files {
    return this.#files.get(commit)!;
  }
  async commit(wish: Wish): Promise<ObjectId> {
    const { by, parents = [], put = {}, body = {} } = wish;
    const files = new Map(parents[0] ? this.#files.get(parents[0]) : []);
    for (const [path, content] of Object.entries(put)) {
      if (content === null) files.delete(path);
      else files.set(path, this.store("blob", typeof content === "string" ? utf8(content) : content));
    }
    const trees = buildTrees(files);
    for (const { id, type, body } of trees.objects) this.objects.set(id, { type, body });
    const unsigned = unsignedCommit({
      tree: trees.root,
      parents,
      author: { name: by.name ?? "", email: by.id, time: wish.time ?? this.#clock++ },
      message: typeof body === "string" ? body : formatJsoncpp(body),
    });
    const id = this.store(
      "commit",
      await (wish.sign ?? (async (bytes) => signedCommit(bytes, await by.key.sign(bytes))))(unsigned),
    );
    this.#files.set(id, files);
    return id;
  }

  /** A conversation of `mode` made by `by`, with `invited` in a one-to-one. */
  begin(by: Person, mode = 2, invited?: Person): Promise<ObjectId> {
    return this.commit({
      by,
      put: {
        [`admins/${by.account}.crt`]: by.memberPem,
        [`devices/${by.id}.crt`]: by.pem,
        ...(invited && { [`invited/${invited.account}`]: "" }),
      },
      body: { type: "initial", mode, ...(invited && { invited: invited.account }) },
    });
  }
  add(by: Person, who: Person, parent: ObjectId): Promise<ObjectId> {
    return this.commit({
      by,
      parents: [parent],
      put: { [`invited/${who.account}`]: "" },
      body: { type: "member", action: "add", uri: who.account },
    });
  }
  join(who: Person, parent: ObjectId): Promise<ObjectId> {
    return this.commit({
      by: who,
      parents: [parent],
      put: {
        [`invited/${who.account}`]: null,
        [`members/${who.account}.crt`]: who.memberPem,
        [`devices/${who.id}.crt`]: who.pem,
      },
      body: { type: "member", action: "join", uri: who.account },
    });
  }
  say(by: Person, body: string, ...parents: ObjectId[]): Promise<ObjectId> {
    return this.commit({ by, parents, body: { type: "text/plain", body } });
  }
}
