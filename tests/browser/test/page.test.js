// The server's own page, as a visitor finds it.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { PHONE, openPage, playing } from '../src/chromium.js';
import { FPS_SHARE, GOALS } from '../src/goals.js';
import { targetFolder } from '../src/paths.js';
import { recovery } from '../src/recovery.js';
import { scenario, until } from '../src/stage.js';

scenario('the link plays the stream and its figures are true', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const page = await openPage(await stage.chromium(), sfu.link);
  await playing(page);
  await page.waitForTimeout(5000);
  const stats = await page.evaluate(() => window.transom.stats());
  console.log(`   ${JSON.stringify(stats)}`);
  assert.equal(stats.state, 'live');
  assert.equal(stats.stream, 'door');
  assert.equal(stats.codec, 'H264');
  assert.equal(stats.audio, true);
  assert.ok(stats.fps > 30 * FPS_SHARE - 2, `${stats.fps} pictures a second`);
  assert.equal(stats.latencySource, 'timecode');
  assert.ok(stats.latencyMs > 0 && stats.latencyMs < GOALS.glassToGlassMs.ceiling, `latency ${stats.latencyMs}`);
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
  const browser = await stage.chromium();
  const links = [
    [`${sfu.url}/#token=not-the-token`, /token does not open/, 'wrong-token.png'],
    [`${sfu.url}/`, /link opens this page/, 'no-token.png'],
  ];
  for (const [link, expected, picture] of links) {
    const page = await openPage(browser, link);
    const notice = page.locator('#notice');
    await notice.waitFor({ state: 'visible', timeout: 5000 });
    assert.match(await notice.innerText(), expected);
    await page.screenshot({ path: join(targetFolder('screenshots'), picture) });
    await page.context().close();
  }
});

scenario('a visitor with a token to publish shows the own camera to others', async (stage) => {
  const sfu = await stage.sfu();
  const camera = await openPage(await stage.chromium(), `${sfu.url}/#token=${sfu.tokens.publish}&publish=lane`);
  await camera.locator('#publish-button').click();
  await until(async () => (await sfu.stream('lane'))?.publisher?.state === 'connected', {
    within: 10_000,
    what: 'lane is published',
  });
  const page = await openPage(await stage.chromium(), sfu.link);
  await playing(page);
  assert.equal(await page.evaluate(() => window.transom.stats().stream), 'lane');
  await camera.locator('#publish-button').click();
  await until(async () => !(await sfu.stream('lane'))?.publisher, { within: 3000, what: 'lane is gone after the DELETE' });
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
