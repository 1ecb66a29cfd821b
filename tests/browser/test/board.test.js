// A real recording goes through a V4L2 device of an ARM board, its agent and the server to Chromium.

import assert from 'node:assert/strict';

import { HOST } from '../src/board.js';
import { CLIP_FPS, jpegs, units } from '../src/clips.js';
import { figures, play } from '../src/measure.js';
import { scenario } from '../src/stage.js';

const skip = process.env.TRANSOM_BOARD ? false : 'no board: `cargo xtask device` makes one';

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
