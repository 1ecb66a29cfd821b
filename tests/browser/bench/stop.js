// node bench/stop.js FAULT RUNS: a page that drives a robot goes, and how long the robot moves on. FAULT is
// `page-closed` or `browser-killed`. A line for each run, in microseconds:
//
//   stood SINCE-THE-FAULT MOVED-AGAIN
//
// `cargo xtask bench stop` reads it (tests/stop).

import { openPage } from '../src/chromium.js';
import { arm, drivable, middle, monotonic, robot, sleep } from '../src/robot.js';
import { onStage } from '../src/stage.js';

const FAULTS = {
  'page-closed': (page) => page.close(),
  'browser-killed': (page, pids) => {
    for (const pid of pids) process.kill(pid, 'SIGKILL');
  },
};

const [fault, runs] = process.argv.slice(2);
const happen = FAULTS[fault];
if (!happen) throw new Error(`no fault ${fault}; there are ${Object.keys(FAULTS).join(', ')}`);

// Tries at getting a page to drive at all: a machine may be too busy for Chromium.
let patience = 10;

for (let n = 0; n < Number(runs); n += 1) {
  let drove = false;
  try {
    await onStage(async (stage) => console.log(`stood ${(await run(stage, n, () => { drove = true; })).join(' ')}`), 60);
  } catch (error) {
    // Once it drove, nothing is tried again.
    patience -= 1;
    if (drove || patience === 0) throw error;
    console.error(`it did not drive, and is started again: ${error.message.split('\n')[0]}`);
    n -= 1;
  }
}

async function run(stage, n, drives) {
  const { lines, driveLink } = await robot(stage);
  const browser = await stage.chromium();
  const page = await openPage(browser, driveLink);
  await drivable(page);
  await arm(page);
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send('SystemInfo.getProcessInfo');
  const stick = await middle(page, '#stick');
  await page.mouse.move(stick.x, stick.y);
  await page.mouse.down();
  await page.mouse.move(stick.x, stick.y - 30);
  await lines.power(true);
  // Not always at the same place between two setpoints.
  await sleep(300 + 31 * (n % 7));
  if (!lines.powered) throw new Error('it stood before anything had happened');
  drives();
  const cause = monotonic();
  // It may hang on what it has ended itself.
  const done = Promise.resolve(happen(page, processInfo.map(({ id }) => id))).catch(() => {});
  const stands = await lines.power(false, { since: cause });
  await Promise.race([done, sleep(1000)]);
  await sleep(1000);
  const again = lines.edges().some(({ at, line, value }) => line === 'enable' && value === 1 && at > stands);
  return [Math.round((stands - cause) * 1000), Number(again)];
}
