// The lease to drive, on real pages: taken, asked for, handed over, kept, overridden; and fought for.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { PHONE, openPage, playing } from '../src/chromium.js';
import { fight, motions, tenures } from '../src/fight.js';
import { looks } from '../src/looks.js';
import { arm, drivable, monotonic, phase, robot, sleep } from '../src/robot.js';
import { scenario, until } from '../src/stage.js';

const FIGHT_MS = 1000 * Number(process.env.TRANSOM_FIGHT_SECONDS ?? 30);
// From the server's word to the wheels, on a loaded machine.
const SLACK_MS = 200;
const TOKENS = { anna: 'the-token-of-anna-1', boris: 'the-token-of-boris-2' };

// A robot and two who may drive it; boris may override.
async function duel(stage) {
  const config = join(stage.folder(), 'transom-sfu.toml');
  const entry = (name, scopes) => `[[token]]\nname = "${name}"\ntoken = "${TOKENS[name]}"\nscopes = [${scopes}]\n`;
  writeFileSync(config, entry('anna', '"watch", "drive"') + entry('boris', '"watch", "drive", "admin"'));
  const scene = await robot(stage, { more: ['--config', config] });
  const open = async (name, options) => {
    const page = await openPage(await stage.chromium(), `${scene.sfu.url}/#token=${TOKENS[name]}`, options);
    await playing(page);
    await drivable(page);
    await page.getByTestId('lease').waitFor({ state: 'visible' });
    return page;
  };
  const anna = await open('anna', { viewport: { width: 1280, height: 800 } });
  const boris = await open('boris', PHONE);
  return { ...scene, anna, boris };
}

scenario('one takes the lease, the other asks for it and gets it', async (stage) => {
  const { lines, anna, boris } = await duel(stage);
  await says(anna, /^Nobody has the lease/);
  await anna.getByTestId('lease-take').click();
  await says(anna, /^You have the lease/);
  await says(boris, /^anna #[0-9a-f]{4} has the lease/);
  await looks(boris, 'phone-lease-of-another.png');

  // Nothing moves, and yet it is not to be armed by another.
  await boris.evaluate(() => window.transom.drive.arm());
  await until(async () => /another operator has the lease/.test(await text(boris, 'drive-why')), { within: 2000, what: 'why not' });

  const since = await drives(anna, 'KeyW', lines);
  await boris.getByTestId('lease-ask').click();
  await says(anna, /^boris #[0-9a-f]{4} asks for the lease/);
  await says(boris, /^Asked anna/);
  await looks(anna, 'desktop-lease-asked.png');
  await looks(boris, 'phone-lease-asked.png');
  await anna.getByTestId('lease-deny').click();
  await says(boris, /^They keep it\. anna/);
  const { phase: now, reason } = await anna.evaluate(() => window.transom.drive.status());
  assert.ok(now === 'armed' || reason === 'stale', `asking stopped it: ${reason}`);
  if (now !== 'armed') await drives(anna, 'KeyW', lines);

  await boris.getByTestId('lease-ask').click();
  await anna.getByTestId('lease-grant').click();
  await lines.power(false, { since });
  await says(boris, /^You have the lease/);
  await says(anna, /^boris #[0-9a-f]{4} has the lease/);
  await phase(anna, 'stopped');
  assert.match(await text(anna, 'drive-why'), /another operator took over/);
  await sleep(300);
  assert.equal(lines.powered, false, 'the former holder, whose key is still held, drives on');

  await drives(boris, 'KeyS', lines);
  await phase(anna, 'foreign');
  await looks(boris, 'phone-lease-held.png');
  await looks(anna, 'desktop-lease-of-another.png');
  await boris.keyboard.up('KeyS');

  // It is renewed while it rests, and given up.
  await boris.locator('#arm').click();
  await phase(boris, 'disarmed');
  await sleep(8000);
  await says(boris, /^You have the lease/);
  await boris.getByTestId('lease-release').click();
  await says(anna, /^Nobody has the lease/);

  // A page that is closed keeps nothing.
  await anna.getByTestId('lease-take').click();
  await says(boris, /^anna/);
  await anna.close();
  await says(boris, /^Nobody has the lease/);
  assert.deepEqual(boris.errors, []);
});

scenario('an administrator overrides, and a page that nobody looks at keeps no lease', async (stage) => {
  const { lines, anna, boris } = await duel(stage);
  await anna.getByTestId('lease-take').click();
  const since = await drives(anna, 'KeyW', lines);
  assert.equal(await anna.getByTestId('lease-override').isVisible(), false);
  await boris.getByTestId('lease-override').click();
  await lines.power(false, { since });
  await says(boris, /^You have the lease/);
  await says(anna, /^boris/);
  assert.equal(await anna.getByTestId('lease-override').isVisible(), false, 'who may not override is offered it');
  await boris.evaluate(() => {
    Object.defineProperty(document, 'hidden', { value: true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
  });
  await says(anna, /^Nobody has the lease/, 10_000);
});

scenario('the lease is in reach on every screen and covers nothing that counts', async (stage) => {
  const { anna, boris } = await duel(stage);
  await anna.getByTestId('lease-take').click();
  await says(boris, /^anna/);
  const screens = { 'phone-small': [360, 640], phone: [390, 844], 'phone-landscape': [844, 390], 'phone-small-landscape': [640, 360], tablet: [768, 1024], laptop: [1280, 720] };
  for (const [name, [width, height]] of Object.entries(screens)) {
    await boris.setViewportSize({ width, height });
    await sleep(300);
    await looks(boris, `${name}-lease.png`);
    for (const id of ['lease-ask', 'lease-override']) {
      const { inside, hit, tall } = await boris.getByTestId(id).evaluate((button) => {
        const { left, right, top, bottom } = button.getBoundingClientRect();
        return {
          inside: left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight,
          hit: button.contains(document.elementFromPoint((left + right) / 2, (top + bottom) / 2)),
          tall: bottom - top,
        };
      });
      assert.ok(inside && hit && tall >= 44, `${name} ${id}: inside ${inside}, on top ${hit}, ${tall} px tall`);
    }
  }
});

scenario('two operators fight for the lease in two Chromiums: exactly one drives at any time', async (stage) => {
  const { sfu, lines, anna, boris } = await duel(stage);
  const offset = Date.now() - monotonic();
  // One only ever drives ahead, the other back: the wheels tell who moved them.
  const [ahead, back] = await Promise.all([
    anna.evaluate(fight, { ms: FIGHT_MS, code: 'KeyW', seed: 4711 }),
    boris.evaluate(fight, { ms: FIGHT_MS, code: 'KeyS', seed: 815 }),
  ]);
  await lines.power(false, { within: 2000 });
  const who = { [ahead.session]: 1, [back.session]: -1 };

  // Every epoch was one operator's.
  const shared = ahead.epochs.filter((epoch) => back.epochs.includes(epoch));
  assert.deepEqual(shared, [], 'both drove in one epoch');

  // Leases rise, and each is one operator's.
  const held = tenures(sfu.program.log);
  held.forEach(({ lease }, n) => assert.ok(n === 0 || lease > held[n - 1].lease, `lease ${lease} after ${held[n - 1]?.lease}`));
  assert.ok(held.every(({ session }) => session in who), 'a lease of somebody else');

  // No motion is of two, and each lies within a lease of the one whose it is.
  const moved = motions(lines.edges());
  let late = 0;
  for (const { from, to, signs } of moved) {
    const [sign, ...others] = signs;
    assert.deepEqual(others, [], 'two moved it at once');
    const [begun, ended] = [from + offset, to + offset];
    const lease = held.findLast((tenure) => tenure.from <= begun && who[tenure.session] === sign);
    assert.ok(lease, `moved by one without a lease at ${begun}`);
    const over = ended - (lease.to ?? Infinity);
    assert.ok(over < SLACK_MS, `lease ${lease.lease} was over for ${over.toFixed(1)} ms, and it moved`);
    late = Math.max(late, over);
  }
  const count = (of, key) => of.reduce((counts, one) => ({ ...counts, [key(one)]: (counts[key(one)] ?? 0) + 1 }), {});
  const by = count(moved, ({ signs }) => ([...signs][0] === 1 ? 'anna' : 'boris'));
  const how = count(held, (tenure) => tenure.how);
  console.log(`   ${FIGHT_MS / 1000} s: ${held.length} leases ${JSON.stringify(how)}; motions ${JSON.stringify(by)}, longest beyond its lease ${late.toFixed(1)} ms`);
  console.log(`   setpoints sent: ${ahead.setpoints} and ${back.setpoints}; pressed: ${JSON.stringify(ahead.pressed)} and ${JSON.stringify(back.pressed)}`);
  assert.ok(by.anna >= 3 && by.boris >= 3 && held.length >= 10, 'no fight');
  assert.ok(how.handed_over >= 1 && how.overridden >= 1 && how.acquired >= 1, 'one way was never tried');
  assert.deepEqual([...anna.errors, ...boris.errors], []);
}, { seconds: 90 + FIGHT_MS / 1000 });

// Arms and holds a key; again where the dead-man was quicker than a loaded machine. Since when it moves.
async function drives(page, key, lines) {
  for (let tries = 5; ; tries -= 1) {
    try {
      await page.keyboard.up(key);
      await arm(page);
      const since = monotonic();
      await page.keyboard.down(key);
      await lines.power(true, { since, within: 1000 });
      return since;
    } catch (error) {
      if (tries === 1) throw error;
      await page.mouse.up();
    }
  }
}

async function says(page, pattern, within = 5000) {
  await until(async () => pattern.test(await text(page, 'lease-text')), { within, every: 50, what: `${pattern}, not "${await text(page, 'lease-text')}"` });
}

function text(page, id) {
  return page.getByTestId(id).innerText();
}
