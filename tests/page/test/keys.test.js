// The keys, with events as a window gives them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Keys } from '../../../sfu-edge/web/control/keys.js';

class Keyboard extends EventTarget {
  changes = 0;
  stops = 0;
  active = true;
  keys = new Keys({ linear: 0.6, angular: 0.3 });

  constructor() {
    super();
    this.keys.bind(this, {
      isActive: () => this.active,
      onChange: () => (this.changes += 1),
      onStop: () => (this.stops += 1),
    });
  }

  // Whether the page keeps it to itself.
  say(type, code, { target = this, ...more } = {}) {
    const event = Object.assign(new Event(type, { cancelable: true }), { code, ...more });
    Object.defineProperty(event, 'target', { value: target });
    this.dispatchEvent(event);
    return event.defaultPrevented;
  }
}

test('letters and arrows are ways, opposites cancel, and nothing held is null', () => {
  const keyboard = new Keyboard();
  assert.equal(keyboard.keys.axes, null);
  keyboard.say('keydown', 'KeyW');
  keyboard.say('keydown', 'ArrowLeft');
  assert.deepEqual(keyboard.keys.axes, { linear: 0.6, angular: 0.3 });
  keyboard.say('keydown', 'ArrowUp');
  assert.equal(keyboard.keys.axes.linear, 0.6, 'two keys of one way are one');
  keyboard.say('keydown', 'KeyD');
  assert.equal(keyboard.keys.axes.angular, 0);
  for (const code of ['KeyW', 'ArrowUp', 'ArrowLeft', 'KeyD']) keyboard.say('keyup', code);
  assert.equal(keyboard.keys.axes, null);
  assert.equal(keyboard.changes, 8);
});

test('a key that repeats changes nothing', () => {
  const keyboard = new Keyboard();
  for (let n = 0; n < 5; n += 1) keyboard.say('keydown', 'KeyS', { repeat: n > 0 });
  assert.equal(keyboard.changes, 1);
  assert.deepEqual(keyboard.keys.axes, { linear: -0.6, angular: 0 });
});

test('what was let go of is not taken up again by a key that repeats', () => {
  const keyboard = new Keyboard();
  keyboard.say('keydown', 'KeyS');
  keyboard.keys.release();
  keyboard.say('keydown', 'KeyS', { repeat: true });
  assert.equal(keyboard.keys.axes, null);
  keyboard.say('keyup', 'KeyS');
  keyboard.say('keydown', 'KeyS');
  assert.ok(keyboard.keys.axes);
});

test('Space and Escape stop, once a press, and click no button', () => {
  const keyboard = new Keyboard();
  const button = { target: { tagName: 'BUTTON' } };
  assert.ok(keyboard.say('keydown', 'Space', button));
  assert.ok(keyboard.say('keydown', 'Space', { ...button, repeat: true }));
  assert.ok(keyboard.say('keyup', 'Space', button));
  assert.equal(keyboard.stops, 1);
  keyboard.say('keydown', 'Escape');
  assert.equal(keyboard.stops, 2);
  keyboard.say('keydown', 'Space', { ctrlKey: true });
  assert.equal(keyboard.stops, 3, 'a stop with a modifier is a stop');
});

test('who types does not drive; a stop is a stop all the same', () => {
  const keyboard = new Keyboard();
  const input = { target: { tagName: 'INPUT' } };
  assert.ok(!keyboard.say('keydown', 'KeyW', input));
  assert.equal(keyboard.keys.axes, null);
  assert.ok(!keyboard.say('keydown', 'Space', input), 'a space is typed');
  assert.equal(keyboard.stops, 1);
});

test('a shortcut drives nothing and lets go of what was held', () => {
  const keyboard = new Keyboard();
  keyboard.say('keydown', 'KeyW');
  assert.ok(!keyboard.say('keydown', 'KeyS', { metaKey: true }));
  assert.equal(keyboard.keys.axes, null);
  assert.equal(keyboard.changes, 2);
});

test('where nobody may drive, the keys are the page\'s', () => {
  const keyboard = new Keyboard();
  keyboard.active = false;
  assert.ok(!keyboard.say('keydown', 'Space'));
  assert.ok(!keyboard.say('keydown', 'ArrowUp'));
  assert.equal(keyboard.stops, 0);
  assert.equal(keyboard.keys.axes, null);
  keyboard.active = true;
  keyboard.say('keydown', 'KeyW');
  keyboard.active = false;
  keyboard.say('keyup', 'KeyW');
  assert.equal(keyboard.keys.axes, null, 'its end counts whenever it comes');
});
