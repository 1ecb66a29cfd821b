// Goals beside what was measured.

import { openPage } from '../src/chromium.js';
import { clip, CLIP_FPS, sound } from '../src/clips.js';
import { commandTimes } from '../src/commands.js';
import { FPS_SHARE, GOALS } from '../src/goals.js';
import { figures, firstFrames, median, play } from '../src/measure.js';
import { recovery } from '../src/recovery.js';
import { drivable, robot } from '../src/robot.js';
import { onStage } from '../src/stage.js';

const missed = [];

await onStage(async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu);
  const browser = await stage.chromium();
  const seen = await play(browser, sfu, 'door', 20);
  console.log(`test picture: ${figures(seen)}`);
  report(GOALS.glassToGlassMs, seen.latencyMs, 'ms');
  report(GOALS.freezeMs, seen.freezeMs, 'ms');
  reportShare('pictures decoded of 30 a second', seen.fps, 30);
  report(GOALS.firstFrameMs, median(await firstFrames(browser, sfu, 'door', 10)), 'ms');
  const page = await openPage(browser, sfu.link);
  await page.waitForTimeout(4000);
  report(GOALS.recoveryMs, await recovery(stage, sfu, page), 'ms');
}, 180);

await onStage(async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu, { source: `file:${clip()}`, audio: `file:${sound()}` });
  const browser = await stage.chromium();
  const seen = await play(browser, sfu, 'door', 20);
  console.log(`recording: ${figures(seen)}`);
  report(GOALS.freezeMs, seen.freezeMs, 'ms');
  reportShare(`pictures decoded of ${CLIP_FPS} a second`, seen.fps, CLIP_FPS);
  report(GOALS.firstFrameMs, median(await firstFrames(browser, sfu, 'door', 10)), 'ms');
}, 120);

await onStage(async (stage) => {
  const { lines, driveLink } = await robot(stage);
  const page = await openPage(await stage.chromium(), driveLink);
  await drivable(page);
  console.log('commands to a simulated robot:');
  const { stopAck } = await commandTimes(page, lines, 50);
  report(GOALS.commandAckMs, median(stopAck), 'ms');
}, 120);

if (missed.length > 0) {
  console.log(`missed: ${missed.join('; ')}`);
  process.exitCode = 1;
}

function report({ goal, what }, measured, unit) {
  line(what, `< ${goal} ${unit}`, `${measured.toFixed(measured < 10 ? 1 : 0)} ${unit}`, measured / goal);
}

function reportShare(what, fps, of) {
  line(what, `>= ${(of * FPS_SHARE).toFixed(1)}`, fps.toFixed(1), (of * FPS_SHARE) / Math.max(fps, 0.1));
}

function line(what, goal, measured, ratio) {
  console.log(`  ${what.padEnd(46)} goal ${goal.padStart(9)}   measured ${measured.padStart(8)}   ratio ${ratio.toFixed(2)}`);
  if (ratio > 1) missed.push(what);
}
