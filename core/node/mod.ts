/** Puts the rooms together. Floor 8. */
export { bringOnline, type OnlineAccount } from "./account_online.ts";
export { type AccountEvent, AccountsOnline } from "./accounts_online.ts";
export { AccountSession, type SessionEvent, type SessionOptions } from "./session.ts";
