// What tests and benchmarks both do: play a stream and look at what came.

import { openPage } from './chromium.js';

// Plays `stream` for `seconds` and tells what was received.
export async function play(browser, sfu, stream, seconds) {
  const page = await openPage(browser, sfu.url);
  const { viewer } = await view(page, sfu, stream);
  // The first second is the jitter buffer finding its size.
  await page.waitForTimeout(1000);
  const seen = await page.evaluate(([v, s]) => bench.watch(v, s), [viewer, seconds]);
  await page.context().close();
  return seen;
}

// Joins `count` times, each with a new connection; the sorted milliseconds to the first picture.
// Visitors come one by one: key frames for a crowd are coalesced, and that is measured elsewhere.
export async function firstFrames(browser, sfu, stream, count) {
  const page = await openPage(browser, sfu.url);
  const times = [];
  for (let n = 0; n < count; n += 1) {
    const { viewer, firstFrameMs } = await view(page, sfu, stream);
    times.push(firstFrameMs);
    await page.evaluate((v) => bench.leave(v), viewer);
    await page.waitForTimeout(700 + 61 * n);
  }
  await page.context().close();
  return times.sort((a, b) => a - b);
}

export function view(page, sfu, stream) {
  return page.evaluate(([url, token]) => bench.view(url, token), [sfu.whep(stream), sfu.tokens.watch]);
}

export function median(sorted) {
  return quantile(sorted, 0.5);
}

// Of numbers in any order.
export function quantile(numbers, part) {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

export function figures(seen) {
  const { codec, width, height, fps, freezeMs, packetsLost, audioSeconds, latencyMs, latencyP95Ms, timeCodes } = seen;
  const latency = timeCodes > 0 ? `, glass to glass ${latencyMs.toFixed(0)} ms (p95 ${latencyP95Ms.toFixed(0)})` : '';
  return `${codec} ${width}x${height}, ${fps.toFixed(1)} fps, frozen ${freezeMs.toFixed(0)} ms, lost ${packetsLost}, `
    + `sound ${audioSeconds.toFixed(1)} s${latency}`;
}
