// An emergency stop by Stop that is held, its reset, and what is switched: a phone's page and the simulated robot.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { PHONE, openPage, playing } from '../src/chromium.js';
import { targetFolder } from '../src/paths.js';
import { arm, drivable, monotonic, phase, robot, sleep } from '../src/robot.js';
import { scenario, until } from '../src/stage.js';

const shot = (name) => join(targetFolder('screenshots'), `${name}.png`);

scenario('Stop that is held is an emergency: it holds until it is reset, and outlives a reload', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, PHONE);
  await playing(page);
  await arm(page);
  const since = monotonic();
  await page.keyboard.down('KeyW');
  await lines.power(true, { since });

  const stop = await page.getByTestId('stop').boundingBox();
  const pressed = monotonic();
  await page.mouse.move(stop.x + stop.width / 2, stop.y + stop.height / 2);
  await page.mouse.down();
  await lines.power(false, { since: pressed });
  await phase(page, 'emergency');
  await page.mouse.up();
  await page.keyboard.up('KeyW');
  await page.screenshot({ path: shot('phone-emergency') });
  assert.match(await page.getByTestId('drive-phase').innerText(), /Emergency stop/);
  assert.equal(await page.locator('#arm-text').innerText(), 'Hold to reset');

  await page.reload();
  await playing(page);
  await drivable(page);
  await phase(page, 'emergency');
  const button = await page.getByTestId('arm').boundingBox();
  await page.mouse.move(button.x + button.width / 2, button.y + button.height / 2);
  await page.mouse.down();
  await phase(page, 'disarmed');
  await sleep(1000);
  await phase(page, 'disarmed');
  await page.mouse.up();
  await arm(page);
  assert.deepEqual(page.errors, []);
});

scenario('light, horn, door and chime are switched, driving or not', async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink, PHONE);
  await playing(page);
  await drivable(page);
  const edges = (line) => lines.edges().filter((edge) => edge.line === line).map(({ value }) => value);
  const light = page.getByTestId('switch-light');
  await light.click();
  await until(() => edges('light').at(-1) === 1, { within: 5000, what: 'the light is on' });
  await page.waitForFunction(() => document.getElementById('switch-light').ariaPressed === 'true');
  await page.screenshot({ path: shot('phone-switches') });
  await light.click();
  await until(() => edges('light').at(-1) === 0, { within: 5000, what: 'the light is off' });

  await page.getByTestId('switch-lock').click();
  await sleep(700);
  assert.deepEqual(edges('lock'), [], 'a tap opens no door');
  await page.getByTestId('switch-lock').click({ delay: 700 });
  await until(() => edges('lock').at(-1) === 1, { within: 5000, what: 'the door is open' });

  await page.getByTestId('switch-chime').click();
  await until(() => edges('chime').length === 1, { within: 5000, what: 'the chime rings' });
  await page.getByTestId('switch-horn').click({ delay: 800 });
  await until(() => edges('horn').at(-1) === 0, { within: 5000, what: 'the horn is silent' });
  assert.ok(edges('horn').filter((value) => value === 1).length >= 2, edges('horn').join(' '));
  assert.deepEqual(page.errors, []);
});
