// A simulated robot, driven from the server's page: keys, thumbs, stop, and what happens when the page goes.

import assert from 'node:assert/strict';

import { PHONE, openPage, playing } from '../src/chromium.js';
import { commandTimes } from '../src/commands.js';
import { GOALS } from '../src/goals.js';
import { looks, reachable } from '../src/looks.js';
import { median } from '../src/measure.js';
import { Fingers, arm, drivable, middle, monotonic, phase, robot, sleep } from '../src/robot.js';
import { scenario, until } from '../src/stage.js';

const LIMIT_MS = 300;
// What a loaded machine may add.
const SLACK_MS = 200;
// Of each way to go; 20 for a claim.
const ROUNDS = Number(process.env.TRANSOM_DRIVE_ROUNDS ?? 3);

scenario('keys drive it, and all that lets go of them stops it', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, { viewport: { width: 1280, height: 800 } });
  await playing(page);
  await drivable(page);
  assert.equal(await text(page, 'drive-phase'), 'Not armed');

  await page.keyboard.down('KeyW');
  await page.locator('#arm').click();
  await sleep(700);
  assert.equal((await status(page)).phase, 'disarmed', 'a tap arms nothing');
  await arm(page);
  await sleep(300);
  assert.equal(lines.powered, false, 'a key from before moved it');
  await page.keyboard.up('KeyW');

  const before = (await status(page)).telemetry;
  await page.keyboard.down('KeyW');
  await page.keyboard.down('KeyA');
  await lines.power(true);
  await sleep(1500);
  await looks(page, 'desktop-driving.png');
  const { telemetry, rttMs, commandAgeMs } = await status(page);
  assert.ok(Math.hypot(telemetry.xMm - before.xMm, telemetry.yMm - before.yMm) > 50, 'it did not move');
  assert.ok(telemetry.headingMrad !== before.headingMrad, 'it did not turn');
  assert.ok(rttMs > 0 && rttMs < GOALS.commandAckMs.ceiling, `round trip ${rttMs} ms`);
  assert.ok(commandAgeMs < LIMIT_MS / 2, `command age ${commandAgeMs} ms`);
  assert.match(await text(page, 'rtt'), /^[\d.]+$/);
  assert.match(await text(page, 'robot-text'), /m .* m\s+\S+° · drive \d+ %/);
  await page.keyboard.up('KeyA');
  await page.keyboard.up('KeyW');
  await lines.power(false);
  assert.equal((await status(page)).phase, 'armed', 'letting go is no stop');

  // A menu over the page swallows the end of a held key.
  await page.keyboard.down('KeyW');
  await lines.power(true);
  await page.mouse.click(640, 300, { button: 'right' });
  await lines.power(false);
  assert.equal((await status(page)).phase, 'armed', 'a menu is no stop');
  await page.keyboard.up('KeyW');

  const ends = {
    'the window loses the focus': () => page.evaluate(() => window.dispatchEvent(new Event('blur'))),
    'the page is hidden': () => page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
      delete document.hidden;
    }),
    'Escape': () => page.keyboard.press('Escape'),
    'Space, while Stop has the focus': async () => {
      await page.locator('#stop').focus();
      await page.keyboard.press('Space');
    },
    'Space, while another button has the focus': async () => {
      const sound = await text(page, 'sound');
      await page.locator('#sound').focus();
      await page.keyboard.press('Space');
      assert.equal(await text(page, 'sound'), sound, 'the button was pressed as well');
    },
    'Enter on Stop': async () => {
      await page.locator('#stop').focus();
      await page.keyboard.press('Enter');
    },
    'a click on Stop': () => page.locator('#stop').click(),
  };
  await page.keyboard.press('Escape');
  await phase(page, 'stopped');
  for (const [what, end] of Object.entries(ends)) {
    await arm(page);
    const since = monotonic();
    await page.keyboard.down('KeyS');
    await lines.power(true, { since });
    await end();
    await lines.power(false, { since });
    await phase(page, 'stopped');
    await sleep(100);
    assert.equal(lines.powered, false, `it moves on after: ${what}`);
    await page.keyboard.up('KeyS');
  }
  assert.equal(await text(page, 'drive-phase'), 'Stopped');
  assert.match(await text(page, 'drive-why'), /An operator stopped it/);

  await page.locator('#arm').focus();
  await page.keyboard.down('Enter');
  await phase(page, 'armed');
  await page.keyboard.up('Enter');
  assert.equal(await text(page, 'arm'), 'Disarm');
  await page.locator('#arm').click();
  await phase(page, 'disarmed');
  assert.deepEqual(page.errors, []);
});

scenario('a command is at the wheels and acknowledged within milliseconds', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink);
  await playing(page);
  await drivable(page);
  const seen = await commandTimes(page, lines, 20);
  const { goal, ceiling } = GOALS.commandAckMs;
  console.log(`   command to line and its ack: ${median(seen.stopAck) < goal ? 'within' : 'NOT within'} the goal of ${goal} ms`);
  for (const times of [seen.armAck, seen.stopAck, seen.roundTrip]) assert.ok(median(times) < ceiling, `${times}`);
});

scenario('two thumbs on a phone: one steers, the other stops', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, PHONE);
  await playing(page);
  await drivable(page);
  const fingers = await Fingers.on(page);
  await armByThumb(page, fingers);

  const stick = await middle(page, '#stick');
  const since = monotonic();
  await fingers.down(1, stick.x + 20, stick.y + 25);
  await sleep(200);
  assert.equal(lines.powered, false, 'landing off the middle moved it');
  await fingers.move(1, stick.x + 32, stick.y - 25);
  await lines.power(true, { since });
  await sleep(2500);
  await looks(page, 'phone-driving.png');
  assert.ok((await status(page)).telemetry.xMm > 50, 'it did not move');

  const stop = await middle(page, '#stop');
  await fingers.down(2, stop.x, stop.y);
  await lines.power(false, { since });
  await phase(page, 'stopped');
  await fingers.up(2);
  await fingers.move(1, stick.x, stick.y - 60);
  await sleep(200);
  assert.equal(lines.powered, false, 'the thumb that stayed on the stick moved it');
  await looks(page, 'phone-stopped.png');
  await fingers.up(1);

  await armByThumb(page, fingers);
  const again = monotonic();
  await fingers.down(1, stick.x, stick.y);
  await fingers.move(1, stick.x, stick.y - 50);
  await lines.power(true, { since: again });
  await fingers.cancel();
  await lines.power(false, { since: again });
  assert.equal((await status(page)).phase, 'armed', 'a thumb that the system takes away lets go, no more');
  assert.equal((await status(page)).axes.linear, 0);
  assert.deepEqual(page.errors, []);
});

scenario('on every screen Stop is in reach and the picture the largest', async (stage) => {
  const { driveLink } = await robot(stage);
  const browser = await stage.chromium();
  const screens = { 'phone-small': [360, 640], 'phone-landscape': [844, 390], 'phone-small-landscape': [640, 360], tablet: [768, 1024], laptop: [1280, 720], 'laptop-low': [1366, 600] };
  for (const [name, [width, height]] of Object.entries(screens)) {
    const page = await openPage(browser, driveLink, { ...PHONE, viewport: { width, height } });
    await playing(page);
    await drivable(page);
    const fingers = await Fingers.on(page);
    await armByThumb(page, fingers);
    const stick = await middle(page, '#stick');
    await fingers.down(1, stick.x, stick.y);
    await fingers.move(1, stick.x + 12, stick.y - 40);
    await sleep(1500);
    await looks(page, `${name}-driving.png`);
    await fingers.up(1);
    await page.locator('#fullscreen').click();
    await page.waitForFunction(() => document.fullscreenElement !== null);
    await sleep(400);
    assert.equal((await status(page)).phase, 'armed');
    await looks(page, `${name}-full.png`);
    await page.evaluate(() => document.exitFullscreen());
    await phase(page, 'stopped');
    await armByThumb(page, fingers);
    await page.evaluate(() => scrollTo(0, 1e6));
    await sleep(100);
    await reachable(page);
    await fingers.down(2, ...Object.values(await middle(page, '#stop')).slice(0, 2));
    await phase(page, 'stopped');
    await page.context().close();
  }
});

scenario('a page that goes while it drives leaves nothing moving', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const goodbyes = {
    closed: (page) => page.close(),
    'gone elsewhere': (page) => page.goto('about:blank'),
    // Its process is killed: no goodbye of any kind.
    killed: async (page, browser) => {
      const session = await browser.newBrowserCDPSession();
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      for (const { type, id } of processInfo) if (type === 'renderer') process.kill(id, 'SIGKILL');
    },
  };
  for (const [how, goodbye] of Object.entries(goodbyes)) {
    const times = [];
    for (let n = 0; n < ROUNDS; n += 1) {
      const browser = await stage.chromium();
      const page = await openPage(browser, driveLink);
      const since = await setOff(page, lines);
      await sleep(300 + 31 * (n % 5));
      assert.ok(lines.powered, 'it stood before the page went');
      await goodbye(page, browser);
      // Until now it may have driven on, however long the machine took to end it.
      const gone = monotonic();
      const safe = await lines.power(false, { since });
      times.push(Math.max(0, safe - gone));
      await sleep(100);
      assert.equal(lines.powered, false, 'it moves again');
      await browser.close();
    }
    times.sort((a, b) => a - b);
    const within = times.filter((ms) => ms <= LIMIT_MS).length;
    console.log(`   ${how}: from the page's end to no power: median ${median(times).toFixed(0)} ms, `
      + `most ${times.at(-1).toFixed(0)} ms; ${within} of ${times.length} within ${LIMIT_MS} ms`);
    assert.ok(times.at(-1) <= LIMIT_MS + SLACK_MS, `${times}`);
  }
}, { seconds: 60 + 45 * ROUNDS });

scenario('one drives, another sees that and may stop it, and a watcher only watches', async (stage) => {
  // Three browsers and their screenshots may keep a page from speaking for a while, which is not what is tried here.
  const control = 'limit_ms = 1500\npicture_limit_ms = 0\n';
  const { sfu, lines, driveLink, watchLink } = await robot(stage, { control });
  const first = await openPage(await stage.chromium(), driveLink);
  const second = await openPage(await stage.chromium(), driveLink, PHONE);
  const watcher = await openPage(await stage.chromium(), watchLink, PHONE);
  for (const page of [first, second]) await drivable(page);
  await arm(first);
  const since = monotonic();
  await first.keyboard.down('KeyW');
  await lines.power(true, { since });

  await phase(second, 'foreign');
  await until(async () => (await text(second, 'drive-phase')) === 'Another operator drives', { within: 2000, what: 'the words' });
  await looks(second, 'phone-another-drives.png');
  await second.keyboard.down('KeyS');
  await second.evaluate(() => window.transom.drive.arm());
  await sleep(300);
  await until(async () => /in use/.test(await text(second, 'drive-why')), { within: 2000, what: 'why it was not armed' });
  await second.keyboard.up('KeyS');
  assert.ok(lines.powered, 'the first no longer drives');

  await phase(watcher, 'foreign');
  assert.equal(await text(watcher, 'drive-phase'), 'An operator drives');
  assert.ok((await status(watcher)).telemetry.axes.linear > 0, 'the watcher does not see it move');
  assert.equal(await watcher.locator('#dock').isVisible(), false, 'a watcher has controls');
  await watcher.keyboard.press('Space');
  await watcher.evaluate(() => {
    window.transom.drive.stop();
    window.transom.drive.arm();
  });
  // Whoever hides a page stops what they drive themselves.
  for (const page of [watcher, second]) await page.evaluate(() => window.dispatchEvent(new Event('blur')));
  await sleep(300);
  assert.ok(lines.powered, 'who may only watch stopped it, or who only looked away');
  await watcher.evaluate(() => scrollTo(0, 0));
  await looks(watcher, 'phone-watching.png');

  await second.locator('#stop').tap();
  await lines.power(false, { since });
  await phase(first, 'stopped');
  await sleep(200);
  assert.equal(lines.powered, false, 'the first, whose key is still held, drives on');
  const fingers = await Fingers.on(second);
  await armByThumb(second, fingers);
  await phase(first, 'foreign');
  assert.equal(lines.powered, false);
  const dropped = sfu.program.lines.filter((line) => /dropped/.test(line));
  assert.ok(dropped.every((line) => !/no_drive_scope/.test(line)), `a watcher sent something: ${dropped}`);
});

scenario('where there is no robot there is no panel, and where there are no channels the picture plays', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const browser = await stage.chromium();
  const link = `${sfu.url}/#token=${sfu.tokens.drive}`;
  const page = await openPage(browser, link);
  await playing(page);
  await sleep(1500);
  assert.equal((await status(page)).mayDrive, true);
  assert.equal(await page.locator('#drive').isVisible(), false);

  // As a server answers that knows no data channels (RFC 8843 section 7.3.3).
  const plain = await browser.newContext();
  await plain.route('**/whep/**', async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    const response = await route.fetch();
    const sections = (await response.text()).split(/(?=^m=)/m);
    const at = sections.findIndex((section) => section.startsWith('m=application'));
    const mid = /^a=mid:(\S+)/m.exec(sections[at])[1];
    sections[at] = `m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:${mid}\r\n`;
    sections[0] = sections[0].replace(/^a=group:BUNDLE.*$/m, (group) => group.replace(new RegExp(` ${mid}(?= |$)`), ''));
    return route.fulfill({ response, body: sections.join('') });
  });
  const other = await plain.newPage();
  await other.goto(link);
  await playing(other);
  assert.equal((await status(other)).linked, false);
  assert.equal(await other.locator('#drive').isVisible(), false);
});

// Whoever had it last is stopped first, where that one has not been missed yet.
async function takeOver(page) {
  await playing(page);
  await drivable(page);
  if ((await status(page)).phase === 'foreign') {
    await page.locator('#stop').click();
    await phase(page, 'stopped');
  }
  await arm(page);
}

// Until it moves: a page on a busy machine may be too slow for the first arm. Since when it does.
async function setOff(page, lines) {
  for (let tries = 0; ; tries += 1) {
    await takeOver(page);
    const since = monotonic();
    const stick = await middle(page, '#stick');
    await page.mouse.move(stick.x, stick.y);
    await page.mouse.down();
    await page.mouse.move(stick.x, stick.y - 30);
    try {
      return await lines.power(true, { since, within: 2000 });
    } catch (error) {
      if (tries === 5) throw error;
      await page.mouse.up();
    }
  }
}

async function armByThumb(page, fingers) {
  const { x, y } = await middle(page, '#arm');
  await fingers.down(9, x, y);
  await phase(page, 'armed');
  await fingers.up(9);
}

function status(page) {
  return page.evaluate(() => window.transom.drive.status());
}

function text(page, id) {
  return page.getByTestId(id).innerText();
}
