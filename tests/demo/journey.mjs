// One person's way through the shop, in Chromium: prints the console's complaints and the ids she went by, as JSON.

import { launch, until } from '../../sdk_js/browser/chromium.mjs';

const [shop, email] = process.argv.slice(2);
const browser = await launch();
const context = await browser.newContext();
const page = await context.newPage();
const complaints = [];
page.on('console', (message) => ['error', 'warning'].includes(message.type()) && complaints.push(message.text()));
page.on('pageerror', (error) => complaints.push(String(error)));

const cookie = async () => (await context.cookies()).find(({ name }) => name === 'tropa_id')?.value ?? '';
const trail = () => page.evaluate(() => [...document.querySelectorAll('#trail-events span')].map((line) => line.textContent));

await page.goto(`${shop}/?utm_source=vk&utm_medium=social&utm_campaign=gaiwan-film`);
const renewed = await until(async () => /\.\d{10}$/.test(await cookie()), 5_000);
const anonymousId = (await cookie()).split('.')[0];
await page.click('nav >> text=Teaware');
await page.click('main >> text=Celadon Cup');
await page.selectOption('select', '2');
await page.click('text=Add to cart');
await page.fill('footer input', email);
await page.click('text=Subscribe');
await page.click('.cart');
await page.click('text=Checkout');
await page.fill('input[name=name]', 'Anna Orlova');
await page.fill('main input[name=email]', email);
await page.fill('input[name=password]', 'teatime');
await page.click('main button');
await page.fill('input[name=city]', 'Tver');
await page.click('text=Place the order');
const order = await page.textContent('.lead');
await page.click('text=Log out');
const other = await until(async () => (await cookie()).split('.')[0] !== anonymousId && cookie(), 5_000);
const told = await trail();
// Another visit: logging in as a known customer.
await page.click('text=Log in');
await page.fill('main input[name=email]', email);
await page.fill('input[name=password]', 'teatime');
await page.click('main button');
await page.waitForSelector('text=Welcome back');
await page.evaluate(() => tropa.flush());
const quiet = await until(() => page.evaluate(() => !Object.keys(localStorage).some((key) => key.includes('_q_'))), 5_000);
await browser.close();
console.log(JSON.stringify({ anonymousId, renewed, other: other?.split('.')[0], order, told, quiet, complaints }));
