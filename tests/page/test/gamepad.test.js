// Gamepads as a browser tells of them.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Gamepads } from '../../../sfu-edge/web/control/gamepad.js';
import { FakeTime } from '../src/time.js';

const [A, B, X, Y, LB, RB, LT] = [0, 1, 2, 3, 4, 5, 6];
const QUIET = { changed: false, stop: false, press: false, lift: false, cancel: false };

function pad({ index = 0, mapping = 'standard', axes = [0, 0, 0, 0], pressed = [] } = {}) {
  const buttons = Array.from({ length: 17 }, (_, at) => ({ pressed: pressed.includes(at), value: pressed.includes(at) ? 1 : 0 }));
  return { connected: true, index, mapping, axes, buttons };
}

// One that was seen at rest.
function begun(more) {
  const pads = new Gamepads({ deadZone: 0.16, turn: 0.5, ...more });
  pads.take([pad()]);
  return pads;
}

test('the left stick drives, the right one looks, and the middle is nobody', () => {
  const pads = begun();
  assert.equal(pads.axes, null);
  assert.ok(pads.take([pad({ axes: [0, -1, 0, 0] })]).changed);
  assert.deepEqual(pads.axes, { linear: 1, angular: 0, pan: 0, tilt: 0 });
  pads.take([pad({ axes: [-1, 0, 0, 0] })]);
  assert.deepEqual(pads.axes, { linear: 0, angular: 0.5, pan: 0, tilt: 0 }, 'left is counter-clockwise');
  pads.take([pad({ axes: [0, 0, 1, 0] })]);
  assert.deepEqual(pads.axes, { linear: 0, angular: 0, pan: -1, tilt: 0 });
  pads.take([pad({ axes: [0, 0, 0, -1] })]);
  assert.deepEqual(pads.axes, { linear: 0, angular: 0, pan: 0, tilt: 1 }, 'up is up');
  assert.ok(pads.take([pad()]).changed);
  assert.equal(pads.axes, null);
  assert.deepEqual(pads.take([pad()]), QUIET);
});

test('a worn stick that rests off its middle moves nothing, and there is no step at the edge of that', () => {
  const pads = begun();
  pads.take([pad({ axes: [0.1, -0.12, -0.11, 0.1] })]);
  assert.equal(pads.axes, null);
  pads.take([pad({ axes: [0, -0.17, 0, 0] })]);
  assert.ok(pads.axes.linear > 0 && pads.axes.linear < 0.02, `${pads.axes.linear}`);
  pads.take([pad({ axes: [0, -0.58, 0, 0] })]);
  assert.ok(Math.abs(pads.axes.linear - 0.5) < 1e-9, 'half of what the dead zone leaves');
});

test('nothing goes beyond full scale, and numbers that are none are the middle', () => {
  const pads = begun();
  for (const axes of [[1, -1, 1, 1], [-40, 3e9, 9, -9], [1, 1], [0, -1]]) {
    pads.take([pad({ axes })]);
    const { linear, angular, pan, tilt } = pads.axes;
    assert.ok([linear, angular, pan, tilt].every((part) => Math.abs(part) <= 1 + 1e-9), JSON.stringify(pads.axes));
  }
  for (const axes of [[NaN, -1, 0, 0], [], [undefined, 'up', 0, 0], [Infinity, 0, 0, 0]]) {
    pads.take([pad({ axes })]);
    assert.ok(pads.axes === null || Object.values(pads.axes).every(Number.isFinite), JSON.stringify(axes));
  }
});

test('any big button stops, once a press', () => {
  for (const button of [A, B, X, Y]) {
    const pads = begun();
    assert.ok(pads.take([pad({ pressed: [button], axes: [0, -1, 0, 0] })]).stop);
    assert.ok(!pads.take([pad({ pressed: [button] })]).stop, 'it repeats');
    assert.ok(!pads.take([pad()]).stop);
    assert.ok(pads.take([pad({ pressed: [button] })]).stop);
  }
  assert.ok(!begun().take([pad({ pressed: [LT] })]).stop);
  assert.ok(new Gamepads().take([pad({ pressed: [B] })]).stop, 'the press that wakes a pad counts');
});

test('the pair is a pair', () => {
  const pads = begun();
  assert.deepEqual(pads.take([pad({ pressed: [LB] })]), QUIET);
  assert.ok(pads.take([pad({ pressed: [LB, RB] })]).press);
  assert.deepEqual(pads.take([pad({ pressed: [LB, RB] })]), QUIET);
  assert.ok(pads.take([pad({ pressed: [RB] })]).lift);
  pads.take([pad({ pressed: [LB, RB] })]);
  const gone = pads.take([]);
  assert.ok(gone.cancel && !gone.lift, 'a pad that goes away presses nothing');
});

test('one that is unplugged while it drives has let go', () => {
  for (const rest of [[], [null, null, null, null], [{ ...pad({ axes: [0, -1, 0, 0] }), connected: false }]]) {
    const pads = begun();
    pads.take([pad({ axes: [0, -1, 0, 0] })]);
    assert.equal(pads.axes.linear, 1);
    assert.ok(pads.take(rest).changed);
    assert.equal(pads.axes, null);
    assert.equal(pads.count, 0);
    // Plugged in again, still pushed.
    pads.take([pad({ axes: [0, -1, 0, 0] })]);
    assert.equal(pads.axes, null, 'it drives on by itself');
    pads.take([pad()]);
    pads.take([pad({ axes: [0, -1, 0, 0] })]);
    assert.equal(pads.axes.linear, 1);
  }
});

test('what was let go of for it counts again from the middle', () => {
  const pads = begun();
  pads.take([pad({ axes: [0, -1, 0, 0] })]);
  assert.ok(pads.release());
  assert.equal(pads.axes, null);
  pads.take([pad({ axes: [0, -0.9, 0, 0] })]);
  assert.equal(pads.axes, null);
  pads.take([pad()]);
  pads.take([pad({ axes: [0, -0.9, 0, 0] })]);
  assert.ok(pads.axes.linear > 0.8);
});

test('where the layout is not known every button stops and no stick drives', () => {
  const pads = new Gamepads();
  pads.take([pad({ mapping: '' })]);
  const news = pads.take([pad({ mapping: '', pressed: [11], axes: [0, -1, 0, 0] })]);
  assert.deepEqual(news, { ...QUIET, stop: true });
  assert.deepEqual(pads.take([pad({ mapping: '', pressed: [LB, RB, 11] })]), QUIET);
});

test('of two pads the one that is moved drives, and either stops', () => {
  const pads = begun();
  pads.take([pad(), null, pad({ index: 2 })]);
  pads.take([pad(), null, pad({ index: 2, axes: [0, 1, 0, 0] })]);
  assert.equal(pads.axes.linear, -1);
  assert.ok(pads.take([pad({ pressed: [B] }), null, pad({ index: 2, axes: [0, 1, 0, 0] })]).stop);
  assert.equal(pads.count, 2);
});

test('bound, it is looked at while it is there', () => {
  const time = new FakeTime();
  const pads = new Gamepads({ time });
  let plugged = [];
  const asked = { times: 0 };
  const target = Object.assign(new EventTarget(), { navigator: { getGamepads: () => { asked.times += 1; return plugged; } } });
  const heard = [];
  const endings = new AbortController();
  let active = true;
  const note = (what) => () => heard.push(what);
  pads.bind(target, {
    onChange: note('change'), onStop: note('stop'), onPress: note('press'), onLift: note('lift'), onCancel: note('cancel'),
    isActive: () => active, signal: endings.signal,
  });
  time.advance(1000);
  assert.equal(asked.times, 1, 'it asks for pads that are not there');
  plugged = [pad()];
  target.dispatchEvent(new Event('gamepadconnected'));
  plugged = [pad({ axes: [0, -1, 0, 0] })];
  time.advance(20);
  assert.deepEqual(heard.splice(0), ['change']);
  plugged = [pad({ pressed: [B] })];
  time.advance(20);
  assert.deepEqual(heard.splice(0), ['stop', 'change']);
  active = false;
  plugged = [pad({ pressed: [A] })];
  time.advance(10);
  plugged = [pad({ pressed: [LB, RB] })];
  time.advance(20);
  assert.deepEqual(heard.splice(0), [], 'who may not drive stops nobody');
  plugged = [];
  time.advance(20);
  assert.deepEqual(heard.splice(0), ['cancel']);
  const before = asked.times;
  time.advance(1000);
  assert.equal(asked.times, before);
  endings.abort();
  target.dispatchEvent(new Event('gamepadconnected'));
  assert.equal(asked.times, before);
});
