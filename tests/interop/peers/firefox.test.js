import { after, before, test } from 'node:test';
import puppeteer from 'puppeteer-core';
import { browserAnswers, browserOffers, script } from './browser.js';

let browser;
let page;

before(async () => {
  browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: process.env.TRANSOM_FIREFOX ?? '/usr/bin/firefox-esr',
    headless: true,
    extraPrefsFirefox: {
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.peerconnection.ice.loopback': true,
    },
  });
  page = await browser.newPage();
  await page.goto('about:blank');
  await page.evaluate(script);
});

after(() => browser?.close());

test('Firefox offers data channels', () => browserOffers(page));
test('Firefox answers', () => browserAnswers(page));
