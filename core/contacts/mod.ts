/** Contacts: who they are, who asks to be one, and through which devices they speak. Floor 6. */
export {
  type Contact,
  ContactBook,
  type ContactRequest,
  type ContactState,
  type Heard,
  SCHEMA as CONTACTS_SCHEMA,
} from "./book.ts";
export { DeviceDirectory, type DirectoryDht } from "./devices.ts";
export { LIMITS as CONTACTS_LIMITS } from "./limits.ts";
export { ContactRequests, inboxKey, type RequestsOptions } from "./requests.ts";
