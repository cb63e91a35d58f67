// node visit.mjs LIBRARY HOST WRITE_KEY USER GZIP CONTEXT_JSON SECONDS_AGO: the six calls, as an application makes them.
import { Analytics } from "@segment/analytics-node";
import RudderAnalytics from "@rudderstack/rudder-sdk-node";

const [library, host, writeKey, userId, gzip, contextText, secondsAgo] = process.argv.slice(2);
const timestamp = new Date(Date.now() - Number(secondsAgo) * 1000);
const call = { userId, anonymousId: `${userId}-anonymous`, timestamp, context: JSON.parse(contextText) };

function open() {
  if (library === "segment") {
    const client = new Analytics({ writeKey, host, flushAt: 20, flushInterval: 200 });
    return [client, () => client.closeAndFlush({ timeout: 10_000 })];
  }
  const client = new RudderAnalytics(writeKey, { dataPlaneUrl: host, gzip: gzip === "gzip", flushAt: 20 });
  return [client, () => client.flush()];
}

const [client, close] = open();
client.identify({ ...call, traits: { email: "anna@example.com", name: "Анна" } });
client.track({ ...call, event: "Product Added", properties: { price: 12.5, products: [{ sku: "SKU-1" }] } });
client.page({ ...call, name: "Tea", category: "Catalog", properties: { path: "/tea" } });
client.screen({ ...call, name: "Cart", category: "Checkout", properties: { items: 3 } });
client.group({ ...call, groupId: "acme", traits: { employees: 12 } });
client.alias({ ...call, previousId: `${userId}-anonymous` });
await close();
