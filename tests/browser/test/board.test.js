// Cameras of an ARM board, watched by Chromium: the kernel's own with the server there or here, and real recordings
// that go through a V4L2 device.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { showsBars } from '../src/bars.js';
import { BOARD, HOST, freePorts } from '../src/board.js';
import { openPage, playing } from '../src/chromium.js';
import { CLIP_FPS, jpegs, units } from '../src/clips.js';
import { figures, play } from '../src/measure.js';
import { targetFolder } from '../src/paths.js';
import { scenario } from '../src/stage.js';

const skip = process.env.TRANSOM_BOARD ? false : 'no board: `cargo xtask device` makes one';

// What the emulated processor encodes with time to spare.
const CAMERA = '--source v4l2:/dev/video0 --size 640x360 --fps 10 --audio none';

scenario('server and agent are on the board, and its page is opened here', async (stage) => {
  const ports = await freePorts();
  const board = await stage.board(process.env.TRANSOM_BOARD, { tcp: { [ports.tcp]: 8443 }, udp: { [ports.udp]: 7082 } });
  // The board's own address leads nowhere here: clients are told the one that is forwarded.
  await board.send('/tmp/sfu.toml', [
    'state_dir = "/tmp/sfu"',
    'http = "127.0.0.1:7080"',
    `listen = ["${BOARD}:8443"]`,
    'udp_port = 7082',
    `advertise = ["127.0.0.1:${ports.udp}"]`,
    `public_url = "https://127.0.0.1:${ports.tcp}"`,
  ].join('\n'));
  await board.start('sfu', 'transom-sfu --config /tmp/sfu.toml');
  const [link] = /https:\S+#token=\S+/.exec(await board.waitFor("grep -m1 'https:.*#token=' /tmp/sfu.log"));
  assert.ok(link.startsWith(`https://127.0.0.1:${ports.tcp}/#`), link);
  const [, publish] = /"([^"]+)"/.exec(await board.waitFor("grep '^publish' /tmp/sfu/secrets.toml"));
  await board.start('agent', `TRANSOM_TOKEN=${publish} transom-agent --whip http://127.0.0.1:7080/whip/door ${CAMERA}`);
  await watched(stage, board, link, 'board.png');
}, { seconds: 240, skip });

scenario('the agent is on the board, and the server is here', async (stage) => {
  const sfu = await stage.sfu({ more: ['--advertise', HOST] });
  const board = await stage.board(process.env.TRANSOM_BOARD);
  const whip = sfu.whip('door').replace('127.0.0.1', HOST);
  await board.start('agent', `TRANSOM_TOKEN=${sfu.tokens.publish} transom-agent --whip ${whip} ${CAMERA}`);
  await watched(stage, board, sfu.link, 'board-camera.png');
}, { seconds: 240, skip });

// The page at `link` plays the board's camera, as people see it.
async function watched(stage, board, link, picture) {
  await board.waitFor('grep -m1 connected /tmp/agent.log');
  const page = await openPage(await stage.chromium(), link, { ignoreHTTPSErrors: true });
  await playing(page);
  const before = await page.evaluate(() => window.transom.stats().frames);
  await page.waitForTimeout(8000);
  const stats = await page.evaluate(() => window.transom.stats());
  console.log(`   ${JSON.stringify(stats)}`);
  await page.screenshot({ path: join(targetFolder('screenshots'), picture) });
  const log = (await board.run('cat /tmp/agent.log')).said;
  console.log(log.replace(/^/gm, '   board | '));
  assert.equal(stats.state, 'live');
  assert.equal(`${stats.codec} ${stats.width}x${stats.height}`, 'H264 640x360');
  assert.ok(stats.frames - before > 30, `${stats.frames - before} pictures in 8 s`);
  await showsBars(page);
  assert.deepEqual(page.errors, []);
}

function through(name, { fourcc, clip, size, fps, more, told, least }) {
  scenario(name, async (stage) => {
    const sfu = await stage.sfu({ more: ['--advertise', HOST] });
    const board = await stage.board(process.env.TRANSOM_BOARD);
    await board.send('/tmp/clip', framed(clip()));
    await board.start('feeder', `feeder /tmp/clip /dev/video9 ${fourcc} ${size.replace('x', ' ')} ${fps}`);
    await board.waitFor('grep -m1 pictures /tmp/feeder.log');
    const whip = sfu.whip('door').replace('127.0.0.1', HOST);
    await board.start('agent', `TRANSOM_TOKEN=${sfu.tokens.publish} transom-agent --whip ${whip} `
      + `--source v4l2:/dev/video9 --size ${size} --fps ${fps} --audio none ${more}`);
    await board.waitFor('grep -m1 connected /tmp/agent.log');
    const seen = await play(await stage.chromium(), sfu, 'door', 10);
    const log = (await board.run('cat /tmp/agent.log')).said;
    console.log(`   ${figures(seen)}\n${log.replace(/^/gm, '   board | ')}`);
    assert.equal(`${seen.width}x${seen.height}`, size);
    assert.match(log, told);
    assert.ok(seen.fps > least, `${seen.fps} pictures a second`);
  }, { seconds: 240, skip });
}

through('H.264 of a camera is passed through to the browser', {
  fourcc: 'H264', clip: units, size: '640x272', fps: CLIP_FPS, more: '', told: /H\.264 640x272.*passed through/,
  least: CLIP_FPS * 0.6,
});

// The emulated processor decodes and encodes each picture: a small one, and seldom.
through('JPEGs of a camera are decoded and encoded for the browser', {
  fourcc: 'MJPG', clip: jpegs, size: '320x136', fps: 10, more: '--bitrate 300k', told: /MJPEG 320x136.*decoded/,
  least: 3,
});

// Each picture behind its length, as the feeder reads it.
function framed(pictures) {
  return Buffer.concat(pictures.flatMap((picture) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(picture.length);
    return [length, picture];
  }));
}
