import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { browserAnswers, browserOffers, script } from './browser.js';

let browser;
let page;

before(async () => {
  browser = await chromium.launch({
    executablePath: process.env.TRANSOM_CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--allow-loopback-in-peer-connection',
      '--disable-features=WebRtcHideLocalIpsWithMdns',
    ],
  });
  page = await (await browser.newContext()).newPage();
  await page.addInitScript(script);
  await page.goto('about:blank');
});

after(() => browser?.close());

test('Chromium offers data channels', () => browserOffers(page));
test('Chromium answers', () => browserAnswers(page));
