// What a person reads of each state.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { describe, place } from '../../../sfu-edge/web/control/words.js';

const STATUS = {
  phase: 'disarmed', reason: null, refused: null, reportAgeMs: 20, limitMs: 300, linked: true, mayDrive: true, letGo: false,
};
const words = (more) => describe({ ...STATUS, ...more });

test('every phase, reason and refusal has words of its own', () => {
  const phases = ['unheard', 'disarmed', 'stopped', 'emergency', 'arming', 'resetting', 'armed', 'foreign', 'stopping', 'disarming'];
  assert.equal(new Set(phases.map((phase) => words({ phase }).title)).size, phases.length);
  const reasons = ['operator', 'stale', 'link-lost', 'agent-died', 'replaced', 'blind', 'fault', 'shutdown', 'emergency', 'hidden', 'malformed', 'peer-closed'];
  assert.equal(new Set(reasons.map((reason) => words({ phase: 'stopped', reason }).text)).size, reasons.length);
  const refusals = ['unheard', 'stopping', 'stale', 'future', 'old', 'armed', 'epoch', 'fault', 'latched', 'timeout'];
  const said = refusals.map((refused) => words({ refused }).text);
  assert.equal(new Set(said).size, refusals.length);
  assert.ok(said.every((text) => text.startsWith('Not armed: ')), said.join('\n'));
});

test('who only watches is not told to arm, nor why another was refused', () => {
  for (const phase of ['disarmed', 'stopped', 'foreign']) {
    const { text } = words({ phase, reason: phase === 'stopped' ? 'stale' : null, refused: 'timeout', mayDrive: false });
    assert.doesNotMatch(text, /Arm|Stop /, phase);
  }
  assert.equal(words({ phase: 'foreign' }).title, 'Another operator drives');
});

test('silence and a lost connection go before what was known', () => {
  assert.equal(words({ phase: 'armed', reportAgeMs: 301 }).title, 'No word from the robot');
  assert.match(words({ phase: 'armed', reportAgeMs: 2500 }).text, /None for 2\.5 s.*300 ms/);
  assert.match(words({ phase: 'unheard', reportAgeMs: Infinity }).text, /None yet/);
  assert.equal(words({ phase: 'armed', linked: false }).title, 'No connection');
  assert.equal(words({ phase: 'stopping', reportAgeMs: 2500 }).title, 'Stopping');
});

test('who sees an old picture is told why it goes slower', () => {
  const armed = { phase: 'armed', pictureLimitMs: 800 };
  assert.equal(words({ ...armed, speed: 100 }).tone, 'good');
  assert.deepEqual(words({ ...armed, speed: 37 }), { tone: 'warn', title: 'You drive', text: 'Your picture is old, so it goes at 37 %. At 0.8 s it stops.' });
  assert.equal(words({ ...armed, speed: 37, pictureLimitMs: 0 }).tone, 'good');
});

test('the place in metres, the heading in degrees', () => {
  const telemetry = { xMm: 1240, yMm: -305, headingMrad: -1571, batteryMv: 12_580, axes: { linear: -16_384, angular: 0 } };
  const { said, shown } = place(telemetry);
  assert.equal(said, 'The robot, 1.24 m ahead and 0.30 m right of its start');
  assert.equal(shown, '↑ 1.24 m  → 0.30 m\n−90° · drive 50 % · 12.6 V');
  assert.match(place({ ...telemetry, xMm: -10, yMm: 10, batteryMv: 0 }).shown, /^↓ 0\.01 m  ← 0\.01 m\n−90° · drive 50 %$/);
});
