/** What can be asked about contacts. */
import { CoreError } from "../base/mod.ts";
import type { Verbs } from "./control.ts";
import { personOf } from "./control_targets.ts";
import { contactFact, requestFact } from "./node_facts.ts";
import type { WorkingAccount } from "./node.ts";

const shown = ({ session, names }: WorkingAccount, id: Parameters<typeof names.of>[0]) => {
  const contact = session.book.get(id);
  if (!contact) throw new CoreError("node/unknown-person", { word: id });
  return contactFact(contact, session, names);
};

/** Every verb takes `account` (which of the node's own) and most `who`: an id, the beginning of one, a known name. */
export const CONTACT_VERBS: Verbs = {
  /** Contacts (`all`: removed ones too) and requests that wait. */
  "contact.list": (node, fields) => {
    const account = node.account(fields.optional("account")), all = fields.flag("all");
    fields.end();
    const { session, names } = account, { book } = session;
    const contacts = book.list().map((contact) => contactFact(contact, session, names));
    return {
      contacts: contacts.filter(({ state }) => all || (state !== "removed" && state !== "none")),
      requests: book.requests().map((request) => requestFact(request, names)),
    };
  },
  /** Asks to be a contact, or says yes to who asked already. `name`: registered name that led to `who`. */
  "contact.add": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    const name = fields.optional("name"), { session, names } = account;
    fields.end();
    const contact = await session.addContact(who);
    if (name !== undefined) names.keep(who, { name });
    return contactFact(contact, session, names);
  },
  "contact.accept": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    fields.end();
    return contactFact(await account.session.acceptRequest(who), account.session, account.names);
  },
  /** Says no, silently. */
  "contact.decline": (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    fields.end();
    account.session.declineRequest(who);
    return { contact: who, ...account.names.of(who), state: "declined" };
  },
  /** Refused everywhere from now on, and not told so. */
  "contact.block": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    fields.end();
    await account.session.removeContact(who, { ban: true });
    return shown(account, who);
  },
  /** A contact again. */
  "contact.unblock": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    fields.end();
    const { session } = account;
    if (session.book.state(who) !== "banned") throw new CoreError("node/not-blocked", { account: who });
    await session.addContact(who);
    return shown(account, who);
  },
  "contact.remove": async (node, fields) => {
    const account = node.account(fields.optional("account")), who = personOf(account, fields.text("who"));
    fields.end();
    if (!await account.session.removeContact(who)) throw new CoreError("node/no-contact", { account: who });
    return shown(account, who);
  },
};
