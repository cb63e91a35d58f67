// Two real HTTP servers on loopback: the site with its pages, and the gate before a collector (recording or real), which
// can be slow, fail or be down. Ports of one host are one site; `localhost` and 127.0.0.1 are two.

import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';

const SCRIPT = readFileSync(new URL('../dist/tropa.js', import.meta.url));

const listen = (server, port = 0) =>
  new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(server.address().port)));

const close = (server) =>
  new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });

const bodyOf = async (stream) => {
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
};

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Passes a request on to a real collector and gives its answer in the recorder's shape. */
export const forwarder = (url) => ({ headers, body, path }) =>
  new Promise((resolve, reject) => {
    const target = new URL(path, url);
    const { 'content-length': _, connection: __, ...kept } = headers;
    const outgoing = request(target, { method: 'POST', headers: { ...kept, host: headers.host } }, async (answer) => {
      const text = await bodyOf(answer);
      const { 'set-cookie': cookies = [], 'retry-after': retryAfter } = answer.headers;
      resolve({ status: answer.statusCode, cookies, reply: JSON.parse(text), retryAfter });
    });
    outgoing.on('error', reject);
    outgoing.end(body);
  });

/**
 * The gate. `faults` is a queue of answers that come before the collector is asked, e.g. `{status: 500}`; `requests`
 * holds what was asked. `stop()` and `start()` take it down and bring it back on the same port.
 */
export const createGate = async (collector, { delayMs = 0 } = {}) => {
  const receive = typeof collector === 'string' ? forwarder(collector) : collector.receive;
  const gate = { delayMs, faults: [], requests: [], hold: undefined };

  const answer = async (incoming, outgoing) => {
    const origin = incoming.headers.origin ?? '*';
    const cors = {
      'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Expose-Headers': 'Retry-After', Vary: 'Origin',
    };
    const { headers, method, url: path } = incoming;
    gate.requests.push({ method, path, headers });
    if (method !== 'POST') return outgoing.writeHead(204, cors).end();
    const body = await bodyOf(incoming);
    const fault = gate.faults.shift();
    const result = fault ?? (await receive({ headers, body, path }));
    await pause(gate.delayMs);
    await gate.hold;
    outgoing.writeHead(result.status, {
      ...cors, 'Content-Type': 'application/json',
      ...(result.retryAfter ? { 'Retry-After': result.retryAfter } : {}),
      ...(result.cookies?.length ? { 'Set-Cookie': result.cookies } : {}),
    });
    outgoing.end(JSON.stringify(result.reply ?? { success: false, code: 'fault', message: 'injected' }));
  };

  let server;
  let port = 0;
  gate.start = async () => {
    server = createServer((incoming, outgoing) => answer(incoming, outgoing).catch(() => outgoing.destroy()));
    port = await listen(server, port);
    gate.url = `http://127.0.0.1:${port}/v1/batch`;
  };
  gate.stop = () => close(server);
  await gate.start();
  return gate;
};

/** The site: `pages[path](url)` answers HTML, or `{headers, body}`; `/t.js` is the built script. */
export const createSite = async (pages) => {
  const server = createServer((incoming, outgoing) => {
    const url = new URL(incoming.url, 'http://site.invalid');
    if (url.pathname === '/t.js') return outgoing.writeHead(200, { 'Content-Type': 'text/javascript' }).end(SCRIPT);
    const page = pages[url.pathname];
    if (!page) return outgoing.writeHead(404).end();
    const made = page(url, incoming);
    const { headers = {}, body } = typeof made === 'string' ? { body: made } : made;
    outgoing.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-cache', ...headers }).end(body);
  });
  const port = await listen(server);
  return { origin: `http://127.0.0.1:${port}`, elsewhere: `http://localhost:${port}`, stop: () => close(server) };
};

const attribute = ([name, value]) => `data-${name}="${String(value).replaceAll('"', '&quot;')}"`;

/** The script tag of the built SDK. */
export const tag = (data) => `<script src="/t.js" ${Object.entries(data).map(attribute).join(' ')}></script>`;

export const html = (head, body = '') => `<!doctype html><meta charset="utf-8"><title>Shop</title>${head}<body>${body}`;
