// Publishers that nobody here wrote: Chromium's camera and FFmpeg.

import assert from 'node:assert/strict';

import { openPage } from '../src/chromium.js';
import { clip, CLIP_FPS } from '../src/clips.js';
import { figures, play } from '../src/measure.js';
import { scenario, until } from '../src/stage.js';

for (const codec of ['video/H264', 'video/VP8']) {
  scenario(`Chromium publishes its camera as ${codec}, a second Chromium plays it`, async (stage) => {
    const sfu = await stage.sfu();
    const camera = await openPage(await stage.chromium(), sfu.url);
    await camera.evaluate(
      ([url, token, kind]) => bench.publish(url, token, kind),
      [sfu.whip('lane'), sfu.tokens.publish, codec],
    );
    await published(sfu, 'lane');
    const seen = await play(await stage.chromium(), sfu, 'lane', 8);
    console.log(`   ${figures(seen)}`);
    assert.equal(seen.codec, codec);
    // Two browsers, an encoder among them, share two cores: motion is asked for, not smoothness.
    assert.ok(seen.fps > 10, `${seen.fps} pictures a second`);
    assert.ok(seen.audioSeconds > seen.seconds * 0.8, `sound for ${seen.audioSeconds} s`);
    assert.ok(seen.audioEnergy > 0, 'only silence was heard');
  });
}

scenario('FFmpeg publishes a clip, Chromium plays it; FFmpeg is killed and its session goes', async (stage) => {
  const sfu = await stage.sfu();
  const ffmpeg = stage.ffmpeg(sfu, { clip: clip(), stream: 'lane' });
  await published(sfu, 'lane');
  const seen = await play(await stage.chromium(), sfu, 'lane', 8);
  console.log(`   ${figures(seen)}`);
  assert.equal(seen.codec, 'video/H264');
  assert.ok(seen.fps > CLIP_FPS * 0.8, `${seen.fps} pictures a second`);
  assert.ok(seen.audioEnergy > 0, 'only silence was heard');

  // Killed: no DELETE, no BYE. Only silence tells.
  await ffmpeg.end('SIGKILL');
  const { took } = await until(async () => !(await sfu.stream('lane'))?.publisher, {
    within: 35_000,
    every: 250,
    what: 'the publisher is gone from /api/streams',
  });
  console.log(`   gone from /api/streams after ${(took / 1000).toFixed(1)} s`);
});

function published(sfu, stream) {
  return until(async () => (await sfu.stream(stream))?.publisher, {
    within: 15_000,
    what: `${stream} is published`,
  });
}
