// Makes the call of each golden case with the built browser module and prints the bodies it posts, as JSON by case.
// A page of its own for each: an earlier visit left the visitor's cookie and the user it knew.

const [bundle] = process.argv.slice(2);

const define = (values) => {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
};

const openPage = ({ anonymousId, userId, type, context }) => {
  const { url = 'https://shop.example/', title = '', referrer = '' } = context?.page ?? {};
  const known = userId != null && type !== 'identify' ? { tropa_user: JSON.stringify({ id: `${userId}`, traits: {} }) } : {};
  const bodies = [];
  define({
    self: globalThis, location: new URL(url), localStorage: known, screen: { width: 1512, height: 982 }, devicePixelRatio: 2,
    document: { hidden: false, title, referrer, cookie: anonymousId ? `tropa_id=${anonymousId}.0` : '' },
    navigator: { language: 'ru-RU', userAgent: 'Golden/1.0', sendBeacon: () => false },
    history: {}, addEventListener() {}, removeEventListener() {},
    fetch: async (_, { body }) => {
      bodies.push(JSON.parse(body));
      return { status: 200, headers: { get: () => null }, json: async () => ({ success: true, errors: [] }) };
    },
  });
  return bodies;
};

const calls = {
  identify: (tropa, { userId, traits }, options) => tropa.identify(userId, traits, options),
  track: (tropa, { event, properties }, options) => tropa.track(event, properties, options),
  page: (tropa, { category, name, properties }, options) => tropa.page(category, name, properties ?? {}, options),
  screen: (tropa, { category, name, properties }, options) => tropa.screen(category, name, properties ?? {}, options),
  group: (tropa, { groupId, traits }, options) => tropa.group(groupId, traits, options),
  alias: (tropa, { userId, previousId }, options) => tropa.alias(userId, previousId, options),
};

const said = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value != null));

const cases = JSON.parse(await new Response(process.stdin).text());
const posted = {};
for (const [name, example] of Object.entries(cases)) {
  const bodies = openPage(example);
  const { createTropa } = await import(`${bundle}?${name}`);
  const tropa = createTropa({ writeKey: 'wk_golden', url: 'https://events.shop.example/v1/batch' });
  const { context, integrations, timestamp } = example;
  calls[example.type](tropa, example, said({ context, integrations, timestamp }));
  tropa.flush();
  await new Promise((resolve) => setTimeout(resolve));
  posted[name] = bodies;
}
process.stdout.write(JSON.stringify(posted), () => process.exit());
