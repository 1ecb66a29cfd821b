// The colour bars of the kernel's camera `vivid`, as a page shows them.

import assert from 'node:assert/strict';

// From left to right: which of red, green and blue shine.
const BARS = ['rgb', 'rg', 'gb', 'g', 'rb', 'r', 'b', ''];

// The middle of each bar in the page's video, [red, green, blue] each, by a canvas. Below the text that the camera
// writes over them.
function bars(page) {
  return page.evaluate((count) => {
    const video = document.querySelector('video');
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
    const context = canvas.getContext('2d');
    context.drawImage(video, 0, 0);
    return Array.from({ length: count }, (_, n) => {
      const x = Math.floor((canvas.width * (2 * n + 1)) / (2 * count));
      const y = Math.floor((canvas.height * 7) / 8);
      return [...context.getImageData(x, y, 1, 1).data].slice(0, 3);
    });
  }, BARS.length);
}

// The page shows all eight.
export async function showsBars(page) {
  const seen = await bars(page);
  // Three quarters of full light are 191.
  const shining = seen.map((bar) => ['r', 'g', 'b'].filter((_, n) => bar[n] > 120).join(''));
  assert.deepEqual(shining, BARS, `no colour bars: ${JSON.stringify(seen)}`);
}
