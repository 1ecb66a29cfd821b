// What lights up on a page, by the time code in the picture, beside what the page makes of it.

import { median } from './measure.js';

// Far less than from one picture to the next, and more than a source is late in drawing one.
const SAME_MS = 15;

// From now on. `lit`: each picture as { rtp, at, code }, when it lights up and when it was drawn, in milliseconds of
// the page's and of Unix time; `said`: what the page says of it, { rtp, at, stampUs, ageMs }; `loops`: the closed loops
// that it measured.
export async function openEyes(page) {
  await page.evaluate(() => {
    const eyes = { lit: [], said: [], loops: [] };
    window.eyes = eyes;
    const { latencies } = window.transom;
    const { shown, pollLoop } = latencies;
    latencies.shown = function (at, timestamp) {
      const seen = shown.call(this, at, timestamp);
      if (seen) eyes.said.push({ rtp: timestamp, at, ...seen });
      return seen;
    };
    latencies.pollLoop = function () {
      const loop = pollLoop.call(this);
      if (loop) eyes.loops.push(loop);
      return loop;
    };
    const [video, canvas] = [document.querySelector('video'), document.createElement('canvas')];
    const each = window.originalFrameCallback ?? video.requestVideoFrameCallback;
    const look = (now, frame) => {
      const units = window.bench.readTimeCode(video, canvas);
      const at = Math.max(now, frame.expectedDisplayTime);
      if (units !== undefined) eyes.lit.push({ rtp: frame.rtpTimestamp, at, code: unixTime(units) });
      each.call(video, look);
    };
    each.call(video, look);

    // The code counts 100 us modulo 2^40.
    function unixTime(units) {
      const wrap = 2 ** 40;
      const now = Math.round((performance.timeOrigin + performance.now()) * 10);
      const behind = (((now - units) % wrap) + wrap) % wrap;
      return (now - (behind > wrap / 2 ? behind - wrap : behind)) / 10;
    }
  });
}

export function eyes(page) {
  return page.evaluate(() => ({ ...window.eyes, origin: performance.timeOrigin }));
}

// When each picture of one publisher was drawn. A canvas that is asked late has got a later picture than the browser
// told of: such a one was drawn when its RTP timestamp says, by what most of the others say of timestamps.
export function drawn(lit) {
  const first = lit[0]?.rtp ?? 0;
  const media = (rtp) => ((rtp - first) | 0) / 90;
  const usual = median(lit.map(({ rtp, code }) => code - media(rtp)));
  return lit.map((seen) => {
    const code = usual + media(seen.rtp);
    return { ...seen, code: Math.abs(code - seen.code) < SAME_MS ? seen.code : code };
  });
}

// Of each picture of one publisher that lit up, and of which the page said something: its age by either, in
// milliseconds.
export function ages({ lit, said, origin }) {
  const told = new Map(said.map((seen) => [seen.rtp, seen]));
  return drawn(lit).filter(({ rtp }) => told.has(rtp)).map(({ rtp, at, code }) => ({ code: origin + at - code, page: told.get(rtp).ageMs }));
}
