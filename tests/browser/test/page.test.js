// The server's own page, as a visitor finds it.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { openPage } from '../src/chromium.js';
import { GOALS } from '../src/goals.js';
import { targetFolder } from '../src/paths.js';
import { recovery } from '../src/recovery.js';
import { scenario, until } from '../src/stage.js';

const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

scenario('the link plays the stream and its figures are true', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const page = await openPage(await stage.chromium(), sfu.link);
  await playing(page);
  await page.waitForTimeout(5000);
  const stats = await page.evaluate(() => window.transom.stats());
  console.log(`   ${JSON.stringify(stats)}`);
  assert.ok(stats.fps > 20, `fps ${stats.fps}`);
  const latency = stats.latencyMs ?? stats.latency_ms ?? stats.latency?.ms;
  assert.ok(latency > 0 && latency < GOALS.glassToGlassMs.ceiling, `latency ${JSON.stringify(stats)}`);
  await page.screenshot({ path: join(targetFolder('screenshots'), 'desktop.png') });
  assert.deepEqual(page.errors, []);
});

scenario('the page fits a phone', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const page = await openPage(await stage.chromium(), sfu.link, PHONE);
  await playing(page);
  await page.waitForTimeout(3000);
  await page.screenshot({ path: join(targetFolder('screenshots'), 'phone.png') });
  const { content, window: width } = await page.evaluate(() => ({
    content: document.documentElement.scrollWidth,
    window: innerWidth,
  }));
  assert.ok(content <= width, `the page is ${content} px wide on a screen of ${width}: it scrolls sideways`);
});

scenario('a wrong token is explained, and so is none', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const browser = await stage.chromium();
  for (const link of [`${sfu.url}/#token=not-the-token`, `${sfu.url}/`]) {
    const page = await openPage(browser, link);
    const { answer } = await until(
      async () => {
        const text = await page.evaluate(() => document.body.innerText);
        return /token|link/i.test(text) && text;
      },
      { within: 5000, what: `the page explains ${link}` },
    );
    console.log(`   ${answer.replace(/\s+/g, ' ').slice(0, 160)}`);
    await page.screenshot({ path: join(targetFolder('screenshots'), 'wrong-token.png') });
    await page.context().close();
  }
});

scenario('the server is killed and started again: agent and page are live again', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const page = await openPage(await stage.chromium(), sfu.link);
  await playing(page);
  const took = await recovery(stage, sfu, page);
  console.log(`   live again after ${(took / 1000).toFixed(1)} s`);
  assert.ok(took < GOALS.recoveryMs.ceiling, `${took} ms`);
});

function playing(page) {
  return page.waitForFunction(
    () => [...document.querySelectorAll('video')].some((v) => v.getVideoPlaybackQuality().totalVideoFrames > 30),
    undefined,
    { timeout: 15_000 },
  );
}
