/** Test helper: where one person's conversations live, with a clock of its own. */
import { type ConversationId, silentLog } from "../core/base/mod.ts";
import { type Home, memoryHome } from "../core/storage/mod.ts";
import { Conversation, ConversationIndex, CONVERSATIONS_SCHEMA, type Ground } from "../core/swarm/mod.ts";
import { type Person, START } from "./people.ts";

/** A node of one person: a folder, an index, its own clock. */
export class Place implements AsyncDisposable {
  readonly open: Conversation[] = [];
  now = START * 1000;
  constructor(readonly person: Person, readonly home: Home, readonly folder: string) {}
  static async of(person: Person): Promise<Place> {
    return new Place(person, await memoryHome(), await Deno.makeTempDir());
  }
  get ground(): Ground {
    const { person } = this;
    return {
      me: {
        account: person.account,
        device: person.id,
        name: person.name,
        devicePem: person.pem,
        accountPem: person.memberPem,
        sign: (bytes) => person.key.sign(bytes),
      },
      index: new ConversationIndex(this.home.rows("conversations", CONVERSATIONS_SCHEMA)),
      log: silentLog,
      wall: () => this.now += 1000,
    };
  }
  path = (id: ConversationId) => `${this.folder}/${id}`;
  keep<T extends Conversation>(conversation: T): T {
    this.open.push(conversation);
    return conversation;
  }
  async [Symbol.asyncDispose]() {
    for (const conversation of this.open) await conversation[Symbol.asyncDispose]();
    await this.home[Symbol.asyncDispose]();
    await Deno.remove(this.folder, { recursive: true });
  }
}
