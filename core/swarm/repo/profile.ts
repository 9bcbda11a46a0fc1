/** `profile.vcf` of a conversation, in the daemon's own dialect. Spec: swarm §1.6. */
export interface ConversationProfile {
  readonly title?: string;
  readonly description?: string;
  /** Base64 of an image. */
  readonly avatar?: string;
  /** Default host of calls. */
  readonly rdvAccount?: string;
  readonly rdvDevice?: string;
}

const FIELDS: readonly [start: string, name: keyof ConversationProfile][] = [
  ["FN", "title"],
  ["DESCRIPTION", "description"],
  ["PHOTO", "avatar"],
  ["RDV_ACCOUNT", "rdvAccount"],
  ["RDV_DEVICE", "rdvDevice"],
];
const oneLine = (text: string) => text.replace(/[\r\n]+/g, " ");

/** Byte for byte what the daemon writes, its two stray empty lines included. */
export function formatProfile(profile: ConversationProfile): string {
  const { title, description, avatar, rdvAccount, rdvDevice } = profile;
  const line = (name: string, value: string | undefined) => value ? `${name}:${oneLine(value)}\n` : "";
  const photo = `PHOTO;ENCODING=BASE64${avatar ? `:${oneLine(avatar)}` : ""}\n`;
  return `BEGIN:VCARD\nVERSION:2.1\n${line("FN", title)}${line("DESCRIPTION", description)}${photo}` +
    `${line("RDV_ACCOUNT", rdvAccount)}\n${line("RDV_DEVICE", rdvDevice)}\nEND:VCARD`;
}

/** Reads any such card; of equal fields the first one counts. */
export function parseProfile(text: string): ConversationProfile {
  const found: Partial<Record<keyof ConversationProfile, string>> = {};
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const key = line.slice(0, colon),
      field = FIELDS.find(([start]) =>
        start === "FN" || start === "DESCRIPTION" ? key === start : key.startsWith(start)
      );
    const value = line.slice(colon + 1);
    if (field && value && found[field[1]] === undefined) found[field[1]] = value;
  }
  return found;
}
