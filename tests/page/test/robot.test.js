// What the drawing is made of.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Trail, wheels } from '../../../sfu-edge/web/control/robot.js';

test('a trail is thinned out, bounded, and begins anew after a jump', () => {
  const trail = new Trail({ apart: 10, most: 5, jump: 1000 });
  assert.ok(trail.add(0, 0), 'the first comes from nowhere');
  for (const x of [1, 5, 9]) assert.ok(!trail.add(x, 0));
  assert.equal(trail.points.length, 1);
  for (let x = 10; x <= 100; x += 10) assert.ok(!trail.add(x, 0));
  assert.deepEqual(trail.points.at(-1), [100, 0]);
  assert.equal(trail.points.length, 5);
  assert.ok(trail.add(5000, 0), 'the robot was carried, or began anew');
  assert.deepEqual(trail.points, [[5000, 0]]);
});

test('the wheels are those of the board', () => {
  // The vectors of boards/hal.
  const mix = (linear, angular) => wheels({ linear, angular }).map((wheel) => Math.trunc(wheel * 32767));
  assert.deepEqual(mix(1000, 0), [1000, 1000]);
  assert.deepEqual(mix(0, 1000), [-1000, 1000]);
  assert.deepEqual(mix(32767, 32767), [0, 32767]);
  assert.deepEqual(mix(32767, -16384), [32767, 10921]);
});
