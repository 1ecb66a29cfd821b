// How long commands take from the page to the wheels and back, as the page and the robot's lines see it.

import { median } from './measure.js';
import { clockOf, monotonic, sleep } from './robot.js';

// Arms, drives and stops again and again. Milliseconds, each sorted:
//   armAck, stopAck          from the command to its acknowledgement
//   keyToLine, stopToLine    from the key, or the stop, to the edge at the enable line
//   roundTrip                what the page shows
export async function commandTimes(page, lines, rounds) {
  const { offset, error } = await clockOf(page);
  await page.evaluate(() => {
    window.pressed = 0;
    addEventListener('keydown', () => (window.pressed = performance.now()), { capture: true });
  });
  const seen = { armAck: [], keyToLine: [], stopToLine: [], stopAck: [], roundTrip: [] };
  for (let n = 0; n < rounds; n += 1) {
    seen.armAck.push((await acknowledged(page, 'arm', 'armed')).ms);
    // No key finds the same place between two setpoints.
    await sleep(40 + 7 * n);
    const since = monotonic();
    await page.keyboard.down('KeyW');
    seen.keyToLine.push((await lines.power(true, { since })) - offset - (await page.evaluate(() => window.pressed)));
    await sleep(150 + 7 * n);
    seen.roundTrip.push(await page.evaluate(() => window.transom.drive.status().rttMs));
    const stopped = await acknowledged(page, 'stop', 'stopped');
    seen.stopAck.push(stopped.ms);
    seen.stopToLine.push((await lines.power(false, { since })) - offset - stopped.at);
    await page.keyboard.up('KeyW');
  }
  for (const times of Object.values(seen)) times.sort((a, b) => a - b);
  const text = Object.entries(seen).map(([what, times]) => `   ${what}: median ${median(times).toFixed(1)} ms, most ${times.at(-1).toFixed(1)} ms`);
  text.push(`   (${rounds} each; page and lines agree on the time within ${error.toFixed(1)} ms)`);
  console.log(text.join('\n'));
  return seen;
}

// Sends a command and tells, in the page's time, when, and how long its acknowledgement took.
function acknowledged(page, command, phase) {
  return page.evaluate(([command, phase]) => new Promise((resolve) => {
    const { drive } = window.transom;
    const at = performance.now();
    const look = () => {
      if (drive.status().phase !== phase) return;
      drive.removeEventListener('change', look);
      resolve({ at, ms: performance.now() - at });
    };
    drive.addEventListener('change', look);
    drive[command]();
  }), [command, phase]);
}
