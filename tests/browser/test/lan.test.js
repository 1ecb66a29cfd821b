// A phone in the same network opens the printed link: HTTPS on another address than loopback, in
// network namespaces of the test's own.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { PHONE, playing } from '../src/chromium.js';
import { networkRefused } from '../src/network.js';
import { targetFolder } from '../src/paths.js';
import { scenario } from '../src/stage.js';

scenario('a phone opens the link by HTTPS, accepts the warning once, and sees the door', async (stage) => {
  const { house, phone } = await stage.network();
  const sfu = await stage.sfu({ on: house, http: '127.0.0.1:7080', udpPort: 7082, more: ['--lan', '--log', 'trace'] });
  const [link] = await sfu.program.line(/https:\S+\/#token=\S+/);
  assert.ok(link.startsWith(`https://${house.address}:8443/#token=`), link);
  const [, pairing] = await sfu.program.line(/TRANSOM_AGENT_WHIP='(https:[^']+)' transom-agent/);
  assert.match(pairing, /&fp=sha256:[0-9a-f]{64}$/);
  const agent = await stage.pairedAgent(pairing, { on: house, more: ['--log', 'trace'] });

  const context = await (await stage.chromium([], { on: phone })).newContext(PHONE);
  const page = await context.newPage();
  const asked = [];
  page.on('request', (request) => asked.push(request));
  await throughTheWarning(page, link);
  await playing(page);
  await page.waitForTimeout(3000);

  const stats = await page.evaluate(() => window.transom.stats());
  console.log(`   ${JSON.stringify(stats)}`);
  assert.equal(stats.state, 'live');
  assert.ok(stats.fps > 15, `${stats.fps} pictures a second`);
  assert.ok(await page.evaluate(() => isSecureContext && 'mediaDevices' in navigator), 'the phone could not publish');
  await page.screenshot({ path: join(targetFolder('screenshots'), 'phone-lan.png') });

  const address = await page.evaluate(() => location.href);
  const secrets = Object.values(sfu.tokens);
  const holds = (text) => secrets.some((token) => text.includes(token));
  assert.ok(!holds(address), `the token stays in the address bar: ${address}`);
  const paths = new Set();
  for (const request of asked.filter((r) => r.url().startsWith('http'))) {
    const { pathname } = new URL(request.url());
    paths.add(pathname.split('/').slice(0, 3).join('/'));
    const { referer, authorization, ...others } = await request.allHeaders();
    assert.equal(referer, undefined, `${request.url()} has a Referer`);
    assert.ok(!holds(request.url()) && !holds(JSON.stringify(others)), `a token in ${request.url()}`);
    if (authorization) assert.equal(new URL(request.url()).protocol, 'https:');
  }
  for (const path of ['/', '/web/app.js', '/api/streams', '/whep/door']) {
    assert.ok(paths.has(path), `${path} was not asked for: ${[...paths]}`);
  }
  for (const line of [...sfu.program.log, ...agent.lines]) assert.ok(!holds(line), line);
  assert.ok(sfu.program.log.some((line) => line.includes('TRACE')), 'the log says little');
  await context.close();
}, { skip: networkRefused() });

// As a visitor goes through it, with the thumb.
async function throughTheWarning(page, link) {
  await assert.rejects(page.goto(link), /ERR_CERT_AUTHORITY_INVALID/);
  await page.locator('#details-button').click();
  await Promise.all([page.waitForURL((url) => url.protocol === 'https:'), page.locator('#proceed-link').click()]);
}
