/** UUIDv7 (RFC 9562). */
export const uuid = (): string => {
  const time = Date.now().toString(16).padStart(12, '0');
  const bytes = crypto.getRandomValues(new Uint8Array(22));
  const rest = '7000-8000-000000000000'.replace(/0/g, (_, at) => (bytes[at] & 15).toString(16));
  return `${time.slice(0, 8)}-${time.slice(8)}-${rest}`;
};

/** 12 random hex digits: names a batch, or a page instance. */
export const shortId = (): string => uuid().slice(-12);
