// node bench/stop.js FAULT RUNS: a page that drives a robot goes, and how long the robot moves on. FAULT is
// `page-closed` or `browser-killed`. A line for each run, in microseconds:
//
//   stood SINCE-THE-LAST-COMMAND-OBEYED SINCE-THE-FAULT MOVED-AGAIN
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

for (let n = 0; n < Number(runs); n += 1) {
  await onStage(async (stage) => console.log(`stood ${(await run(stage, n)).join(' ')}`), 60);
}

async function run(stage, n) {
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
  let gone = false;
  // Each setpoint differs from the last, so that the trace shows when the last one came.
  const wobble = (async () => {
    for (let step = 0; !gone; step += 1) await page.mouse.move(stick.x + (step % 9), stick.y - 30 - (step % 7));
  })().catch(() => {});
  await lines.power(true);
  // Not always at the same place between two setpoints.
  await sleep(300 + 31 * (n % 7));
  if (!lines.powered) throw new Error('it stood before anything had happened');
  const cause = monotonic();
  // It may hang on what it has ended itself.
  const done = Promise.resolve(happen(page, processInfo.map(({ id }) => id))).catch(() => {});
  const stands = await lines.power(false, { since: cause });
  const obeyed = lines.lastMotion(stands);
  gone = true;
  await wobble;
  await Promise.race([done, sleep(1000)]);
  await sleep(1000);
  const again = lines.edges().some(({ at, line, value }) => line === 'enable' && value === 1 && at > stands);
  const micros = (ms) => Math.round(ms * 1000);
  return [micros(stands - obeyed), micros(stands - cause), Number(again)];
}
