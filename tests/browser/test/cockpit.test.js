// What an operator has in hand and before the eyes: a gamepad, pictures whose age is known, a robot that does not
// move while nobody sees it, and the session's log.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PHONE, openPage, playing } from '../src/chromium.js';
import { ages, drawn, eyes, openEyes } from '../src/eyes.js';
import { Pad } from '../src/gamepad.js';
import { median } from '../src/measure.js';
import { targetFolder } from '../src/paths.js';
import { arm, clockOf, drivable, monotonic, phase, robot, sleep } from '../src/robot.js';
import { scenario, until } from '../src/stage.js';

const FRAME_MS = 1000 / 30;
const PICTURE_LIMIT_MS = 800;
// What a loaded machine may add.
const SLACK_MS = 200;

scenario('a gamepad arms, drives and stops it, and one that is unplugged has let go', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, { viewport: { width: 1280, height: 800 } });
  await playing(page);
  await drivable(page);
  const pad = await Pad.on(page);
  await pad.plug();
  await page.locator('#pads').waitFor({ state: 'visible' });

  await pad.press('LB', 'RB');
  await sleep(200);
  await pad.lift();
  await sleep(700);
  assert.equal((await status(page)).phase, 'disarmed', 'a tap arms nothing');
  await pad.stick({ left: [0, -1] });
  await pad.press('LB', 'RB');
  await phase(page, 'armed');
  await sleep(300);
  assert.equal(lines.powered, false, 'a stick that was held before moved it');
  await pad.lift();
  await pad.stick();
  await sleep(50);

  const since = monotonic();
  await pad.stick({ left: [-0.5, -0.8] });
  await lines.power(true, { since });
  await sleep(1500);
  await page.screenshot({ path: join(targetFolder('screenshots'), 'desktop-gamepad.png') });
  const { telemetry } = await status(page);
  assert.ok(telemetry.xMm > 50 && telemetry.headingMrad > 0, JSON.stringify(telemetry));

  const pulled = monotonic();
  await pad.unplug();
  const off = await lines.power(false, { since: pulled });
  assert.ok(off - pulled < SLACK_MS, `${off - pulled} ms`);
  assert.equal((await status(page)).phase, 'armed', 'letting go is no stop');
  await pad.stick({ left: [0, -1] });
  await pad.plug();
  await sleep(300);
  assert.equal(lines.powered, false, 'it drives on by itself once it is plugged in again');

  for (const button of ['A', 'B', 'X', 'Y']) {
    if ((await status(page)).phase !== 'armed') {
      await pad.press('LB', 'RB');
      await phase(page, 'armed');
      await pad.lift();
    }
    await pad.stick();
    await sleep(50);
    const again = monotonic();
    await pad.stick({ left: [0, -0.6] });
    await lines.power(true, { since: again });
    await pad.press(button);
    await lines.power(false, { since: again });
    await phase(page, 'stopped');
    await pad.lift();
    await pad.stick();
  }

  await pad.press('LB', 'RB');
  await phase(page, 'armed');
  await pad.lift();
  const hidden = monotonic();
  await pad.stick({ left: [0, -1] });
  await lines.power(true, { since: hidden });
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    delete document.hidden;
  });
  await lines.power(false, { since: hidden });
  await phase(page, 'stopped');
  assert.equal((await status(page)).reason, 'hidden');
  assert.match(await page.getByTestId('drive-why').innerText(), /was hidden/);
  assert.deepEqual(page.errors, []);
});

scenario('the age of the picture and the closed loop are what the time code says, within one frame', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, { viewport: { width: 1280, height: 800 } });
  await playing(page);
  await arm(page);
  // A round trip has been measured by then.
  await sleep(1000);
  await openEyes(page);
  const { offset, error } = await clockOf(page);
  let seen = { loops: [] };
  for (let n = 0; seen.loops.length < 56 && n < 200; n += 1) {
    // A machine that is busy for too long stops it.
    if ((await status(page)).phase !== 'armed') await arm(page);
    if (n % 2 === 0) await page.keyboard.down('KeyW');
    else await page.keyboard.up('KeyW');
    // No command finds the same place between two pictures.
    await sleep(210 + 7 * (n % 11));
    seen = await eyes(page);
  }
  agree(ages(seen), 200);

  // Each loop by the edge at the lines and the time codes.
  const edges = lines.edges().filter(({ line }) => line === 'enable');
  const monotonicOf = (unix) => unix - seen.origin + offset;
  const frames = drawn(seen.lit).map(({ at, code }) => ({ at, captured: monotonicOf(code) }));
  const apart = seen.loops.map(({ sentAt, shownAt, ms }) => {
    const edge = edges.find(({ at }) => at >= sentAt + offset - error - 1);
    const shows = frames.findIndex(({ captured }) => captured >= edge.at);
    const said = frames.findIndex(({ at }) => at === shownAt);
    assert.ok(shows >= 0 && said >= 0, `no picture for ${JSON.stringify({ sentAt, shownAt })}`);
    return { frames: said - shows, ms, is: frames[shows].at - sentAt };
  });
  const most = apart.filter((loop) => loop.frames === 0).length;
  console.log(`   ${apart.length} closed loops: p50 ${median(apart.map(({ ms }) => ms)).toFixed(1)} ms; ${most} end with the very picture, `
    + `the others ${[...new Set(apart.map((loop) => loop.frames))].join(', ')} pictures off`);
  assert.ok(apart.length >= 50, `${apart.length} closed loops`);
  for (const loop of apart) assert.ok(Math.abs(loop.frames) <= 1, JSON.stringify(loop));
  const shown = await page.evaluate(() => window.transom.latencies.figures());
  for (const [id, spread] of [['picture-age', shown.picture], ['loop', shown.loop], ['ack', shown.ack], ['command-age', shown.commandAge]]) {
    assert.ok(Math.abs(Number(await text(page, id)) - spread.p50) <= Math.max(2, spread.p50 / 4), `${id}: ${await text(page, id)} for ${spread.p50}`);
  }
  assert.deepEqual(page.errors, []);
});

scenario('it stays what the time code says when the publisher comes back, and where a browser tells no timestamps', async (stage) => {
  const { agent, sfu, config, driveLink } = await robot(stage);
  const browser = await stage.chromium();
  const page = await openPage(browser, driveLink);
  const plain = await browser.newContext();
  await plain.addInitScript({ path: new URL('../src/in-page.js', import.meta.url).pathname });
  await plain.addInitScript(() => {
    window.originalFrameCallback = HTMLVideoElement.prototype.requestVideoFrameCallback;
    delete HTMLVideoElement.prototype.requestVideoFrameCallback;
  });
  const other = await plain.newPage();
  await other.goto(driveLink);
  for (const each of [page, other]) {
    await playing(each);
    await drivable(each);
    await openEyes(each);
  }
  await sleep(3000);
  agree(ages(await eyes(page)), 50);
  // The latest that was given to the element may be one more than what is lit.
  const { lit, said, origin } = await eyes(other);
  assert.ok(said.length > 50 && lit.length > 50, `${said.length} ${lit.length}`);
  const [code, page_] = [median(lit.map(({ at, code }) => origin + at - code)), median(said.map(({ ageMs }) => ageMs))];
  assert.ok(Math.abs(code - page_) <= 1.5 * FRAME_MS, `${page_} ms for ${code} ms`);

  const before = await page.evaluate(() => window.transom.player.session.href);
  await agent.end();
  await sleep(700);
  await stage.agent(sfu, { more: ['--config', config] });
  const frames = (await eyes(page)).lit.length;
  await until(async () => (await eyes(page)).lit.length > frames + 90, { within: 15_000, what: 'pictures of the one that came back' });
  assert.equal(await page.evaluate(() => window.transom.player.session.href), before, 'it is another session: nothing is shown');
  const all = await eyes(page);
  agree(ages({ ...all, lit: all.lit.slice(frames) }), 50);
  await arm(page);
});

scenario('who sees no fresh picture drives slower, and then not at all', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, PHONE);
  await playing(page);
  await arm(page);
  const { offset } = await clockOf(page);
  await openEyes(page);
  const since = monotonic();
  await page.keyboard.down('KeyW');
  await lines.power(true, { since });
  await sleep(600);
  // It is decoded and not shown: all but the eye is well.
  await page.evaluate(() => document.querySelector('video').pause());
  const off = await lines.power(false, { since });
  await phase(page, 'stopped');
  assert.equal((await status(page)).reason, 'blind');
  assert.equal(await page.evaluate(() => window.transom.player.state), 'live');
  assert.match(await text(page, 'drive-why'), /saw no fresh picture/);
  const { lit, origin } = await eyes(page);
  const captured = lit.at(-1).code - origin + offset;
  console.log(`   from the capture of the last picture shown to no power: ${(off - captured).toFixed(0)} ms`);
  assert.ok(off - captured < PICTURE_LIMIT_MS + SLACK_MS, `${off - captured} ms`);
  assert.ok(off - captured > PICTURE_LIMIT_MS - SLACK_MS, `${off - captured} ms`);
  const speeds = lines.edges().filter(({ at, line }) => at > captured && at < off && line === 'left').map(({ value }) => value);
  assert.ok(speeds.length >= 3, `it did not go slower first: ${speeds}`);
  for (const [n, speed] of speeds.entries()) assert.ok(n === 0 || speed <= speeds[n - 1], `${speeds}`);
  // Nor is there a way to arm it and go.
  await page.keyboard.up('KeyW');
  await page.evaluate(() => window.transom.drive.arm());
  await sleep(500);
  assert.deepEqual([(await status(page)).phase, (await status(page)).refused], ['stopped', 'unseen']);
  await page.evaluate(() => document.querySelector('video').play());
  await phase(page, 'stopped');
  await sleep(300);
  await arm(page);
  const again = monotonic();
  await page.keyboard.down('KeyW');
  await lines.power(true, { since: again });
  assert.deepEqual(page.errors, []);
});

scenario('the session is kept, to be downloaded, without a token', async (stage) => {
  const { sfu, lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, { viewport: { width: 1280, height: 800 } });
  await playing(page);
  await arm(page);
  const since = monotonic();
  await page.keyboard.down('KeyW');
  await lines.power(true, { since });
  await sleep(1500);
  await page.keyboard.press('Escape');
  await lines.power(false, { since });
  await phase(page, 'stopped');
  await page.keyboard.up('KeyW');
  const downloading = page.waitForEvent('download');
  await page.getByTestId('log').click();
  const download = await downloading;
  assert.match(download.suggestedFilename(), /^transom-door-[\dTZ-]+\.jsonl$/);
  const whole = readFileSync(await download.path(), 'utf8');
  for (const token of Object.values(sfu.tokens)) assert.ok(!whole.includes(token), 'a token is in it');
  assert.doesNotMatch(whole, /token|authorization|bearer/i);

  const [head, ...events] = whole.trimEnd().split('\n').map((line) => JSON.parse(line));
  assert.deepEqual([head.format, head.version, head.stream], ['transom-session-log', 1, 'door']);
  assert.ok(events.every(({ what, t }) => typeof head.what[what] === 'string' && Number.isFinite(t)));
  const of = (what, more = {}) => events.filter((event) => event.what === what && Object.entries(more).every(([key, value]) => event[key] === value));
  assert.equal(of('sent', { kind: 'arm' }).length > 0, true);
  const moving = of('sent', { kind: 'setpoint' }).filter(({ axes }) => axes[0] > 0);
  assert.ok(moving.length > 40, `${moving.length} setpoints that moved it`);
  assert.ok(moving.at(-1).picture > 0, 'no picture was named');
  assert.ok(of('sent', { kind: 'stop' }).length >= 2, 'by both channels');
  for (const kind of ['arm', 'stop']) assert.ok(of('heard', { kind: 'ack', of: kind }).length > 0, `no answer to ${kind}`);
  for (const kind of ['beacon', 'telemetry', 'picture']) assert.ok(of('heard', { kind }).length > 5, kind);
  assert.ok(of('shown').length > 30 && of('latency').length > 0 && of('lease', { ours: true }).length > 0);
  assert.ok(of('loop').length > 0 && of('loop')[0].ms > 0);
  const phases = of('phase').map((event) => event.phase);
  assert.deepEqual(phases.filter((each) => ['armed', 'stopped'].includes(each)), ['armed', 'stopped']);
});

// Of at least so many pictures the age by the page and by the time code are within one frame.
function agree(pairs, least) {
  assert.ok(pairs.length >= least, `${pairs.length} pictures`);
  const apart = pairs.map(({ code, page }) => Math.abs(code - page));
  console.log(`   ${pairs.length} pictures, ${median(pairs.map(({ page }) => page)).toFixed(1)} ms old in the middle; `
    + `page and time code apart by ${median(apart).toFixed(1)} ms in the middle, ${Math.max(...apart).toFixed(1)} ms at most`);
  assert.ok(Math.max(...apart) <= FRAME_MS, `${apart.filter((ms) => ms > FRAME_MS)}`);
}

function status(page) {
  return page.evaluate(() => window.transom.drive.status());
}

function text(page, id) {
  return page.getByTestId(id).innerText();
}
