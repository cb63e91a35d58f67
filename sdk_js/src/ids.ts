/** UUIDv7 (RFC 9562). */
export const uuid = (): string => {
  const bytes = crypto.getRandomValues(new Uint8Array(36));
  return `${Date.now().toString(16).padStart(12, '0')}-7xxx-8xxx-xxxxxxxxxxxx`
    .replace(/x/g, (_, at) => (bytes[at] & 15).toString(16))
    .replace(/.{8}/, '$&-');
};

/** 12 random hex digits: names a batch, or a page instance. */
export const shortId = (): string => uuid().slice(-12);
