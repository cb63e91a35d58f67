// A real collector behind the recorder's interface: requests are passed on, events are read back from its store.

import { forwarder } from './site.mjs';

/**
 * `collector` is `{url, admin, token}`. `events` holds what the store answers for each event of an acknowledged batch,
 * in the order of the answers.
 */
export const createWitness = ({ url, admin, token }) => {
  const pass = forwarder(url);
  const batches = [];
  const events = [];
  const seen = new Set();

  const stored = async ({ messageId }) => {
    const query = new URLSearchParams({ message_id: messageId });
    const answer = await fetch(`${admin}/api/v1/events?${query}`, { headers: { Authorization: `Bearer ${token}` } });
    return (await answer.json()).events;
  };

  const receive = async (request) => {
    const answer = await pass(request);
    const body = JSON.parse(request.body);
    batches.push({ ...body, headers: request.headers });
    for (const event of answer.status === 200 ? body.batch : []) {
      const again = seen.has(event.messageId);
      seen.add(event.messageId);
      for (const row of await stored(event)) events.push({ ...row, again });
    }
    return answer;
  };

  return { receive, batches, events, stored: () => events.filter(({ again }) => !again) };
};
