// What is switched, and Stop that is held.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ArmPress } from '../../../sfu-edge/web/control/arm-press.js';
import { Outputs } from '../../../sfu-edge/web/control/outputs.js';
import { StopPress } from '../../../sfu-edge/web/control/stop-press.js';
import { FakeTime } from '../src/time.js';

class Told {
  said = [];
  phase = 'armed';

  switchOutput(...said) {
    this.said.push(said.join(' '));
  }

  stop() {
    this.said.push('stop');
  }

  emergency() {
    this.said.push('emergency');
  }

  arm() {
    this.said.push('arm');
  }

  reset() {
    this.said.push('reset');
  }

  disarm() {
    this.said.push('disarm');
  }

  status() {
    return { phase: this.phase, drives: this.phase === 'armed' };
  }
}

function scene(what, options = {}) {
  const time = new FakeTime();
  const drive = new Told();
  return { time, drive, it: new what({ drive, time, onChange: () => {}, ...options }) };
}

test('Stop stops when it is touched and is an emergency when it is held', () => {
  const { time, drive, it } = scene(StopPress);
  it.press();
  assert.deepEqual(drive.said, ['stop']);
  time.advance(999);
  it.lift();
  time.advance(2000);
  assert.deepEqual(drive.said, ['stop']);
  it.press();
  time.advance(1000);
  it.lift();
  assert.deepEqual(drive.said, ['stop', 'stop', 'emergency']);
});

test('in an emergency the button that arms resets, once', () => {
  const { time, drive, it } = scene(ArmPress);
  drive.phase = 'emergency';
  it.press();
  time.advance(500);
  drive.phase = 'disarmed';
  time.advance(5000);
  it.lift();
  assert.deepEqual(drive.said, ['reset']);
  it.press();
  time.advance(500);
  it.lift();
  assert.deepEqual(drive.said, ['reset', 'arm']);
});

test('the horn sounds while it is held and is silenced when it is let go', () => {
  const { time, drive, it } = scene(Outputs);
  it.press('horn');
  time.advance(700);
  it.release('horn');
  time.advance(2000);
  it.release('horn');
  assert.deepEqual(drive.said, ['horn 1 500', 'horn 1 500', 'horn 1 500', 'horn 0']);
});

test('the door wants to be held, the light is what the board says', () => {
  const { time, drive, it } = scene(Outputs);
  it.press('lock');
  time.advance(400);
  it.release('lock');
  assert.deepEqual(drive.said, []);
  it.press('lock');
  time.advance(500);
  it.letGo();
  it.press('light');
  it.press('light');
  assert.deepEqual(drive.said, ['lock 1', 'light 1', 'light 1'], 'it is not on before the board says so');
  const pressed = { output: 'light', value: 1, answer: 'done', waits: false };
  assert.equal(it.view(pressed).light.isOn, true);
  it.press('light');
  assert.equal(drive.said.at(-1), 'light 0');
  it.release('light');
});

test('what the board has not is shown no more, what fails is told', () => {
  const { it } = scene(Outputs);
  assert.equal(it.view(null).chime.isAbsent, false);
  it.view({ output: 'chime', value: 1, answer: 'absent', waits: false });
  assert.equal(it.view({ output: 'light', value: 1, answer: null, waits: true }).chime.isAbsent, true);
  assert.equal(it.view(null).chime.isAbsent, false, 'after a link that was closed it is another board');
  assert.equal(it.view({ output: 'lock', value: 1, answer: null, waits: true }).lock.waits, true);
  assert.equal(it.view({ output: 'lock', value: 1, answer: 'fault', waits: false }).lock.failed, true);
});
