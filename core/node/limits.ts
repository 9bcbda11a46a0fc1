/** Every bound of the node room. */
export const LIMITS = {
  /** Events that can be asked for afterwards, and characters they hold in all; the oldest go first. */
  events: 10_000,
  eventCharacters: 16 << 20,
  /** Messages of one batch (a conversation that arrives whole) told one by one; earlier ones are only counted. */
  eventsPerBatch: 200,
  /** One request line of the control door, bytes: a text of the longest kind, escaped. */
  requestBytes: 4 << 20,
  /** One answer line that a client takes, bytes. */
  answerBytes: 16 << 20,
  /** Clients at once. */
  clients: 32,
  /** Events written to a follower in one go. */
  eventsPerWrite: 100,
  /** Characters of a word in a request (ids, names) and of a search. */
  wordLength: 256,
  /** Ids in one list of a request. */
  idsPerRequest: 256,
  /** Fewest digits an id may be shortened to. */
  shortestId: 4,
  /** Messages in one page, and characters after which a page ends early. */
  pageMessages: 200,
  pageCharacters: 1 << 20,
  /** Characters shown of a name that somebody gives himself. */
  cardNameLength: 64,
  /** Bytes of a path that a local socket can have. */
  socketPathBytes: 107,
} as const;
