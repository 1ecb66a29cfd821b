// A press of a button by whatever hand.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { bindPress } from '../../../sfu-edge/web/control/press.js';

function pressed(more = []) {
  const button = new EventTarget();
  const ended = new AbortController();
  const did = [];
  const act = (name) => [name, () => did.push(name)];
  bindPress(button, Object.fromEntries(['press', 'lift', ...more].map(act)), ended.signal);
  const say = (type, properties = {}) => {
    const event = Object.assign(new Event(type, { cancelable: true }), properties);
    button.dispatchEvent(event);
    return event;
  };
  return { did, say, ended };
}

test('a finger presses and lifts, and only the first button of a mouse', () => {
  const { did, say } = pressed();
  say('pointerdown', { button: 0, pointerId: 1 });
  say('pointerup', { pointerId: 1 });
  say('pointerdown', { button: 2, pointerId: 1 });
  say('pointerup', { pointerId: 1 });
  assert.deepEqual(did, ['press', 'lift']);
});

test('what slips off or goes away ends it, in its own way where there is one', () => {
  for (const end of ['pointercancel', 'pointerleave', 'blur']) {
    for (const more of [[], ['cancel']]) {
      const { did, say } = pressed(more);
      say(end, { pointerId: 1 });
      say('pointerdown', { button: 0, pointerId: 1 });
      say(end, { pointerId: 1 });
      say('pointerup', { pointerId: 1 });
      assert.deepEqual(did, ['press', ...(more.length ? more : ['lift'])], end);
    }
  }
});

test('of two fingers the first begins it and the last ends it', () => {
  const { did, say } = pressed();
  for (const pointerId of [1, 2]) say('pointerdown', { button: 0, pointerId });
  say('pointerup', { pointerId: 1 });
  assert.deepEqual(did, ['press']);
  say('pointerup', { pointerId: 2 });
  assert.deepEqual(did, ['press', 'lift']);
});

test('Enter presses once however long it is held, and the browser makes no click of it', () => {
  const { did, say } = pressed(['click']);
  assert.ok(say('keydown', { code: 'Enter' }).defaultPrevented);
  say('keydown', { code: 'Enter', repeat: true });
  say('keyup', { code: 'Enter' });
  assert.ok(!say('keydown', { code: 'Tab' }).defaultPrevented);
  say('keyup', { code: 'Tab' });
  say('keyup', { code: 'Enter' });
  assert.deepEqual(did, ['press', 'lift']);
});

test('a click counts where no pointer made it', () => {
  const { did, say } = pressed(['click']);
  say('click', { detail: 1 });
  say('click', { detail: 0 });
  assert.deepEqual(did, ['click']);
});

test('once it is over nothing is heard', () => {
  const { did, say, ended } = pressed();
  ended.abort();
  say('pointerdown', { button: 0 });
  assert.deepEqual(did, []);
});
