// The collector's side of the wire contract in memory: replies, cookies, and a record of every receipt.

const DAY = 86_400;
const ACKNOWLEDGED = 8;

const cookiesOf = ({ cookie = '' }) => Object.fromEntries(cookie.split('; ').filter(Boolean).map((pair) => pair.split('=')));

/** The conditions under which an answer may set cookies: see the threats in the collector's documentation. */
const mayKnow = (headers, body) =>
  /^[0-9a-f]{8,32}$/.test(body.batchId ?? '') &&
  body.context?.consent?.state === 'granted' &&
  headers['sec-fetch-mode'] !== 'navigate' &&
  ['same-origin', 'same-site'].includes(headers['sec-fetch-site']);

const acknowledgement = (name, cookies, batchId) => {
  const ids = [...(cookies[`${name}_ack`] ?? '').split('.').filter(Boolean), batchId].slice(-ACKNOWLEDGED);
  return `${name}_ack=${ids.join('.')}; Path=/; Max-Age=120; SameSite=Lax`;
};

/** The visitor's cookie for this answer, if it must be set; `mint` makes an id where script may not. */
const visitor = (name, cookies, body, httpOnly, mint) => {
  const [id, setAt] = (cookies[`${name}_id`] ?? '').split('.');
  const now = Math.floor(Date.now() / 1000);
  if (id && !(httpOnly && body.reset) && now - Number(setAt) < DAY) return { id };
  const kept = id && !(httpOnly && body.reset) ? id : httpOnly ? mint() : undefined;
  if (!kept) return {};
  const flags = httpOnly ? '; HttpOnly' : '';
  return { id: kept, cookie: `${name}_id=${kept}.${now}; Path=/; Max-Age=34560000; SameSite=Lax${flags}` };
};

/**
 * `receive({headers, body})` answers `{status, cookies, reply}`. `batches` and `events` are what arrived, in order;
 * `reject(event)` may name a reason to refuse one.
 */
export const createRecorder = ({ name = 'tropa', httpOnly = false, reject = () => undefined } = {}) => {
  const batches = [];
  const events = [];
  const seen = new Set();
  let minted = 0;

  const receive = ({ headers, body: text }) => {
    const body = JSON.parse(text);
    const cookies = cookiesOf(headers);
    const known = mayKnow(headers, body);
    const who = known ? visitor(name, cookies, body, httpOnly, () => `minted-${++minted}`) : {};
    const errors = [];
    batches.push({ ...body, headers });
    body.batch.forEach((event, index) => {
      const reason = reject(event);
      if (reason) errors.push({ index, messageId: event.messageId, ...reason });
      const again = seen.has(event.messageId);
      seen.add(event.messageId);
      events.push({ ...event, anonymousId: event.anonymousId ?? who.id, again, refused: Boolean(reason) });
    });
    return {
      status: 200,
      cookies: known ? [acknowledgement(name, cookies, body.batchId), ...(who.cookie ? [who.cookie] : [])] : [],
      reply: { success: true, accepted: body.batch.length - errors.length, errors, warnings: [] },
    };
  };

  return { receive, batches, events, stored: () => events.filter(({ again, refused }) => !again && !refused) };
};
