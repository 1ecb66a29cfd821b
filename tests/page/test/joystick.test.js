// The joystick, finger by finger.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Joystick } from '../../../sfu-edge/web/control/joystick.js';

const STILL = { linear: 0, angular: 0 };

test('landing moves nothing, wherever it is; the way from there does', () => {
  const joystick = new Joystick({ deadZone: 0.1, turn: 0.5 });
  assert.equal(joystick.axes, null);
  assert.ok(joystick.grab(1, 140, 20, 50));
  assert.deepEqual(joystick.axes, STILL);
  joystick.move(1, 144, 20);
  assert.deepEqual(joystick.axes, STILL, 'within the dead zone');
  joystick.move(1, 140, -30);
  assert.deepEqual(joystick.axes, { linear: 1, angular: 0 });
  joystick.move(1, 90, 20);
  assert.equal(joystick.axes.angular, 0.5, 'left is counter-clockwise');
  joystick.move(1, 140, 47.5);
  assert.ok(Math.abs(joystick.axes.linear + 0.5) < 1e-9, 'half of what the dead zone leaves');
});

test('beyond the edge is the edge', () => {
  const joystick = new Joystick();
  joystick.grab(1, 0, 0, 50);
  for (const [x, y] of [[5000, 0], [-300, 4000], [0, -1e9], [70, 70]]) {
    joystick.move(1, x, y);
    const { linear, angular } = joystick.axes;
    assert.ok(Math.abs(linear) <= 1 && Math.abs(angular) <= 0.5, `${linear} ${angular}`);
    assert.ok(Math.hypot(joystick.knob.x, joystick.knob.y) <= 1 + 1e-9);
  }
});

test('a second finger neither steers nor lets go', () => {
  const joystick = new Joystick();
  joystick.grab(1, 0, 0, 50);
  joystick.move(1, 0, -50);
  assert.ok(!joystick.grab(2, 10, 10, 50));
  assert.ok(!joystick.move(2, 0, 50));
  assert.ok(!joystick.drop(2));
  assert.equal(joystick.axes.linear, 1);
  assert.ok(joystick.drop(1));
  assert.equal(joystick.axes, null);
  assert.ok(!joystick.move(1, 0, -50), 'a finger that has left');
  assert.equal(joystick.axes, null);
});

test('numbers that are none move nothing', () => {
  const joystick = new Joystick();
  assert.ok(!joystick.grab(1, 0, 0, 0), 'without a size');
  joystick.grab(1, 0, 0, 50);
  assert.ok(!joystick.move(1, NaN, -50));
  assert.deepEqual(joystick.axes, STILL);
});

test('every end of a pointer is an end', () => {
  for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) {
    const joystick = new Joystick();
    let changes = 0;
    const element = Object.assign(new EventTarget(), { clientWidth: 150, setPointerCapture() {} });
    joystick.bind(element, { onChange: () => (changes += 1) });
    const say = (type, more) => element.dispatchEvent(Object.assign(new Event(type), { pointerId: 7, button: 0, ...more }));
    say('pointerdown', { button: 2, clientX: 0, clientY: 0 });
    assert.equal(joystick.axes, null, 'not the other button');
    say('pointerdown', { clientX: 75, clientY: 75 });
    say('pointermove', { clientX: 75, clientY: 0 });
    assert.equal(joystick.axes.linear, 1);
    say(end, { pointerId: 8 });
    assert.equal(joystick.axes.linear, 1);
    say(end, {});
    assert.equal(joystick.axes, null, end);
    assert.equal(changes, 3);
  }
});
