// A press that counts when it lasts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Hold } from '../../../sfu-edge/web/control/hold.js';
import { FakeTime } from '../src/time.js';

function held() {
  const time = new FakeTime();
  const seen = { time, done: 0, changes: [] };
  seen.hold = new Hold({
    ms: 500,
    time,
    onDone: () => (seen.done += 1),
    onChange: () => seen.changes.push(seen.hold.isPressed),
  });
  return seen;
}

test('half a second does it, once', () => {
  const seen = held();
  seen.hold.press();
  seen.time.advance(499);
  assert.equal(seen.done, 0);
  seen.time.advance(1);
  assert.equal(seen.done, 1);
  seen.hold.release();
  seen.time.advance(5000);
  assert.equal(seen.done, 1);
  assert.deepEqual(seen.changes, [true, false]);
});

test('taps add up to nothing', () => {
  const seen = held();
  for (let n = 0; n < 10; n += 1) {
    seen.hold.press();
    seen.hold.press();
    seen.time.advance(200);
    seen.hold.release();
    seen.hold.release();
  }
  seen.time.advance(5000);
  assert.equal(seen.done, 0);
  assert.equal(seen.changes.length, 20);
});
