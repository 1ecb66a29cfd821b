// The agent publishes, Chromium plays.

import assert from 'node:assert/strict';

import { CLIP_FPS, clip, sound } from '../src/clips.js';
import { FPS_SHARE, GOALS } from '../src/goals.js';
import { figures, firstFrames, median, play } from '../src/measure.js';
import { scenario } from '../src/stage.js';

scenario('the test picture plays smoothly, with sound, and its time code is near', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu, { source: 'test' });
  const seen = await play(await stage.chromium(), sfu, 'door', 20);
  console.log(`   ${figures(seen)}`);
  smooth(seen, 30);
  assert.equal(`${seen.width}x${seen.height}`, '640x480');
  assert.ok(seen.timeCodes > 20 * 20, `only ${seen.timeCodes} pictures had a readable time code`);
  assert.ok(seen.latencyMs > 0, `a picture from the future: ${seen.latencyMs} ms`);
  assert.ok(seen.latencyMs < GOALS.glassToGlassMs.ceiling, `glass to glass ${seen.latencyMs} ms`);
});

scenario('the first picture comes at once', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu, { source: 'test' });
  const times = await firstFrames(await stage.chromium(), sfu, 'door', 10);
  console.log(`   POST to first picture, ms: ${times.map(Math.round).join(' ')}`);
  assert.ok(median(times) < GOALS.firstFrameMs.ceiling, `median ${median(times)} ms`);
});

scenario('a real recording plays smoothly, with its sound', async (stage) => {
  const sfu = await stage.sfu();
  await stage.agent(sfu, { source: `file:${clip()}`, audio: `file:${sound()}` });
  const browser = await stage.chromium();
  const seen = await play(browser, sfu, 'door', 20);
  console.log(`   ${figures(seen)}`);
  smooth(seen, CLIP_FPS);
  assert.equal(`${seen.width}x${seen.height}`, '640x272');
  const times = await firstFrames(browser, sfu, 'door', 3);
  console.log(`   POST to first picture, ms: ${times.map(Math.round).join(' ')}`);
});

function smooth(seen, fps) {
  assert.equal(seen.codec, 'video/H264');
  assert.ok(seen.fps >= fps * FPS_SHARE, `${seen.fps} of ${fps} pictures a second`);
  assert.ok(seen.freezeMs < GOALS.freezeMs.ceiling, `frozen for ${seen.freezeMs} ms`);
  assert.ok(seen.audioSeconds > seen.seconds * 0.9, `sound for ${seen.audioSeconds} of ${seen.seconds} s`);
  assert.ok(seen.audioEnergy > 0, 'only silence was heard');
  assert.ok(seen.audioConcealed < 0.05, `${seen.audioConcealed * 100} % of the sound was made up`);
}
