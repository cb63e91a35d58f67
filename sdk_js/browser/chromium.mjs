// Debian's Chromium, driven by playwright-core, talking to nobody but the pages it is given.

import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const QUIET = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const available = () => existsSync(executablePath);

/** With `bfcache` pages are kept for the way back, as browsers do and playwright forbids. */
export const launch = ({ args = [], bfcache = false } = {}) =>
  chromium.launch({
    executablePath, headless: true, args: [...QUIET, ...args],
    ignoreDefaultArgs: bfcache ? ['--disable-back-forward-cache'] : [],
  });

/** Waits until `done()` is truthy and returns it; undefined after `ms`. */
export const until = async (done, ms = 10_000) => {
  const end = Date.now() + ms;
  for (;;) {
    const value = await done();
    if (value || Date.now() > end) return value || undefined;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
