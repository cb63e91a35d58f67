let count = 0;

const hex = (value: number, width: number) => value.toString(16).padStart(width, '0');

const randomDigit = () => hex(crypto.getRandomValues(new Uint8Array(1))[0] & 15, 1);

/** UUIDv7 (RFC 9562): calls of one millisecond keep their order by the counter, which the timeline's tie-break uses. */
export const uuid = (): string => {
  const time = hex(Date.now(), 12);
  return `${time.slice(0, 8)}-${time.slice(8)}-7${hex(count++ & 4095, 3)}-8${'000-000000000000'.replace(/0/g, randomDigit)}`;
};

/** 12 random hex digits: names a batch, or a page instance. */
export const shortId = (): string => uuid().slice(-12);
