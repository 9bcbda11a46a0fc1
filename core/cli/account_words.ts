/** What went wrong with accounts, homes and names, in sentences that say what to do. */
import type { ErrorData } from "../base/mod.ts";

export const ACCOUNT_SENTENCES: Readonly<Record<string, (data: ErrorData) => string>> = {
  "cli/which-account": ({ count }) =>
    `There are ${count} accounts; say which one with --account (its Jami id, local id or name).`,
  "cli/no-account": () => "There is no account here; make one with: kith account create --name NAME",
  "cli/two-passwords": () => "Give either --password or --password-file, not both.",
  "cli/password-needed": () => "This account has a password; give it with --password-file or --password.",
  "cli/new-password-needed": () => "Give the new password with --new-file or --new; --new '' removes it.",
  "cli/passwords-differ": () => "The two passwords differ; nothing was changed.",
  "cli/password-file": ({ path }) => `${path} is no password file; its first line must be the password.`,
  "cli/no-file": ({ path }) => `There is no file ${path}; check the spelling.`,
  "cli/file-exists": ({ path }) =>
    `${path} is there already; choose another name, or replace it with --force.`,
  "cli/yes-needed": () => "Deleting an account cannot be undone; say --yes if you mean it.",
  "cli/cancelled": () => "Cancelled; nothing was changed.",
  "cli/no-eth-key": () =>
    "This account is too old for a name: its archive lacks the key that names are registered with.",
  "cli/not-announced": ({ seconds }) =>
    `The network did not take the announcement within ${seconds} s; check the connection, or give another --bootstrap.`,
  "identity/archive-password": () => "The password does not open this archive, or the file is damaged.",
  "identity/archive-locked": () => "This archive has a password; give it with --password-file or --password.",
  "identity/archive": ({ why }) =>
    why === "size"
      ? "This is too big for an archive of an account."
      : `This is no archive of an account, or it is damaged (${why}).`,
  "identity/password-size": ({ limit }) => `A password has at most ${limit} bytes.`,
  "identity/name-size": ({ limit }) => `A name has at most ${limit} characters and no line breaks.`,
  "identity/account-exists": ({ jamiId }) => `The account ${jamiId} is here already.`,
  "identity/unknown-account": () => "There is no such account here; see: kith account list",
  "identity/ambiguous-account": ({ count }) => `${count} accounts have this name; say the Jami id.`,
  "identity/too-many-accounts": ({ limit }) => `One home holds at most ${limit} accounts.`,
  "identity/chain": ({ why }) => `The account's certificates do not hold (${why}).`,
  "identity/receipt": ({ why }) =>
    `The account's own papers do not fit together (${why}); import its archive again.`,
  "storage/newer-home": ({ version, known }) =>
    `A newer kith wrote this home (version ${version}, this one knows ${known}); use that, or another --home.`,
  "storage/older-home": () => "This home is from an older kith; start kith once, then look again.",
  "storage/damaged": () =>
    "The home's database is damaged; restore it from a backup, or import the account's archive into a new home.",
  "storage/disk-error": () => "The disk reports an error; nothing was changed.",
  "storage/busy": () => "The home is busy; try again.",
  "names/bad-name": () => "A name has 3 to 32 of a-z, 0-9, - and _.",
  "names/bad-server": () => "The name server must be an address such as https://names.example.org.",
  "names/daemon-cache": () => "This is not the file in which a Jami daemon remembers names.",
  "names/unreachable": ({ why }) =>
    `The name server cannot be reached (${why}); try again, or give another --server.`,
  "names/lying-server": ({ why }) =>
    `The name server's answer cannot be true (${why}); nothing of it was used.`,
  "names/port-in-use": ({ port }) =>
    `TCP port ${port} is in use by another program; choose another one with --port.`,
  "names/bind": ({ ip }) =>
    `The address ${ip} is not one of this computer's; choose another one with --listen.`,
};
