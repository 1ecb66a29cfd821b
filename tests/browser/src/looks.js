// What the page looks like: pictures for people, and what must hold on every screen.

import assert from 'node:assert/strict';
import { join } from 'node:path';

import { targetFolder } from './paths.js';

// Leaves a picture of the page, and holds what every layout must.
export async function looks(page, name) {
  await page.screenshot({ path: join(targetFolder('screenshots'), name) });
  const { content, width } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, width: innerWidth }));
  assert.ok(content <= width, `${name}: ${content} px on a screen of ${width}: it scrolls sideways`);
  if (await page.locator('#dock').isVisible()) await reachable(page);
  const sizes = await page.evaluate(() => Object.fromEntries(
    ['#screen', '#robot', '#stick', '#stop', '#lease'].map((id) => {
      const { left, right, top, bottom } = document.querySelector(id).getBoundingClientRect();
      const wide = Math.max(0, Math.min(right, innerWidth) - Math.max(left, 0));
      return [id, wide * Math.max(0, Math.min(bottom, innerHeight) - Math.max(top, 0))];
    }),
  ));
  const { '#screen': picture, ...others } = sizes;
  for (const [id, size] of Object.entries(others)) assert.ok(picture > size, `${name}: ${id} is larger than the picture`);
}

// Stop, Arm and the stick are on the screen, on top, and large enough for a thumb; Stop covers no picture.
export async function reachable(page) {
  const found = await page.evaluate(() => ['#stop', '#arm', '#stick'].map((id) => {
    const element = document.querySelector(id);
    const { left, right, top, bottom } = element.getBoundingClientRect();
    const corners = [[left + 12, top + 12], [right - 12, bottom - 12], [(left + right) / 2, (top + bottom) / 2]];
    const round = id === '#stick' ? corners.slice(2) : corners;
    return {
      id,
      width: right - left,
      height: bottom - top,
      inside: left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight,
      hit: round.every(([x, y]) => element.contains(document.elementFromPoint(x, y))),
      disabled: element.disabled ?? false,
    };
  }));
  for (const { id, width, height, inside, hit, disabled } of found) {
    const what = `${id} (${width.toFixed(0)} x ${height.toFixed(0)})`;
    assert.ok(inside && hit && !disabled, `${what}: inside the screen ${inside}, on top ${hit}, disabled ${disabled}`);
    const [least, high] = { '#stop': [110, 64], '#arm': [110, 44], '#stick': [110, 110] }[id];
    assert.ok(width >= least && height >= high, `${what} is too small`);
  }
}
