// The console in Chromium: TROPA_ADMIN names its address, TROPA_URL the public listener's, TROPA_ADMIN_TOKEN the token.
// Every page that is opened here must stay silent: no script of an event's runs, no CSP report, no error.

import assert from 'node:assert/strict';
import { launch, sleep, until } from '../../../sdk_js/browser/chromium.mjs';

export const { TROPA_ADMIN: admin, TROPA_URL: url, TROPA_ADMIN_TOKEN: token, TROPA_BROWSER_KEY: browserKey, TROPA_SERVER_KEY: serverKey } = process.env;
export { assert, sleep, until };

const watch = () => {
  window.reports = [];
  window.pwned = 0;
  document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sourceFile }) => {
    window.reports.push(`${violatedDirective} ${blockedURI} ${sourceFile}`);
  });
};

/** A browser in which somebody has signed in; `close` asserts that nothing was reported. */
export const openConsole = async (options = {}) => {
  const browser = await launch();
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  const heard = [];
  await context.addInitScript(watch);
  context.on('page', (page) => {
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type()) && !/status of 4\d\d/.test(message.text())) heard.push(`${page.url()} ${message.text()}`); });
    page.on('pageerror', (error) => heard.push(`${page.url()} ${error}`));
    page.on('dialog', (dialog) => { heard.push(`${page.url()} dialog`); dialog.dismiss(); });
    page.on('request', (request) => { if (request.url().startsWith('http') && !request.url().startsWith(admin) && page.url().startsWith(admin)) heard.push(`asked ${request.url()}`); });
  });
  const page = await context.newPage();
  await page.goto(`${admin}/sign-in`);
  await page.fill('#token', token);
  await Promise.all([page.waitForURL(`${admin}/`), page.click('button.first')]);

  /** Goes there and says what the page itself has noticed. */
  const visit = async (path) => {
    await page.goto(admin + path);
    await check();
  };
  const check = async () => {
    const { reports, pwned } = await page.evaluate(() => ({ reports: window.reports, pwned: window.pwned }));
    assert.deepEqual({ at: page.url(), reports, pwned, heard }, { at: page.url(), reports: [], pwned: 0, heard: [] });
  };
  return { browser, context, page, visit, check, heard, close: () => browser.close() };
};

/** A number past what JSON's readers take: refused at its place, whatever its key. */
export const HUGE = '__huge__';

export const send = async (path, body, key = serverKey) => {
  const answer = await fetch(url + path, { method: 'POST', headers: { 'X-Write-Key': key, 'Content-Type': 'application/json' }, body: JSON.stringify(body).replaceAll(`"${HUGE}"`, '1e999') });
  return answer.json();
};
