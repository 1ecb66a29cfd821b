// The operator's logic against reports as a device would make them, in simulated time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Operator } from '../../../sfu-edge/web/control/operator.js';
import { ALL_EPOCHS, emitReport, parseCommand } from '../../../sfu-edge/web/control/wire.js';

const REST = { state: 'disarmed', reason: null, lease: 0, epoch: 7 };
const BEACON = { kind: 'beacon', heard: 0, heldUs: 0, applied: 0, limitMs: 300, ageMs: 0 };

function beacon(operator, now, more = {}) {
  operator.handleMessage(now, emitReport({ ...REST, ...BEACON, stamp: now * 1000, ...more }));
}

function ack(operator, now, of, seq, more = {}) {
  const report = { ...REST, kind: 'ack', stamp: now * 1000, of, seq, result: 'done', ...more };
  operator.handleMessage(now, emitReport(report));
}

function sends(operator, now) {
  const all = [];
  for (let out; (out = operator.pollTransmit(now)); ) {
    all.push({ channel: out.channel, ...parseCommand(out.bytes) });
  }
  return all;
}

function armed(options) {
  const operator = new Operator(options);
  beacon(operator, 1000);
  assert.equal(operator.arm(1000), null);
  const [arm] = sends(operator, 1000).filter(({ kind }) => kind === 'arm');
  ack(operator, 1010, 'arm', arm.seq, { state: 'armed', epoch: 8 });
  assert.equal(operator.status(1010).phase, 'armed');
  return operator;
}

test('without a fresh report there is no arming', () => {
  const operator = new Operator();
  assert.equal(operator.arm(0), 'unheard');
  assert.equal(operator.status(0).phase, 'unheard');
  assert.deepEqual(sends(operator, 0), []);
  beacon(operator, 1000);
  assert.equal(operator.arm(1301), 'unheard');
  assert.equal(operator.arm(1300), null);
});

test('one press follows one epoch, however often it is repeated', () => {
  const operator = new Operator();
  beacon(operator, 1000);
  operator.arm(1000);
  const first = sends(operator, 1000).find(({ kind }) => kind === 'arm');
  assert.equal(first.channel, 'control-reliable');
  assert.equal(first.follows, 7);
  assert.equal(first.echo, 1_000_000);
  // Another opened and ended an epoch meanwhile.
  beacon(operator, 1100, { epoch: 8 });
  const second = sends(operator, 1160).find(({ kind }) => kind === 'arm');
  assert.equal(second.channel, 'control');
  assert.equal(second.follows, 7);
  assert.equal(second.echo, 1_100_000);
  assert.ok(second.seq > first.seq);
  ack(operator, 1170, 'arm', second.seq, { epoch: 8, result: 'epoch' });
  const { phase, refusal } = operator.status(1170);
  assert.deepEqual([phase, refusal], ['disarmed', 'epoch']);
});

test('an arm that nobody answers is given up', () => {
  const operator = new Operator();
  beacon(operator, 1000);
  operator.arm(1000);
  let arms = 0;
  for (let now = 1000; now < 4000; now += 10) {
    beacon(operator, now);
    arms += sends(operator, now).filter(({ kind }) => kind === 'arm').length;
  }
  assert.ok(arms >= 10 && arms <= 20, `${arms} arms`);
  assert.equal(operator.status(4000).refusal, 'timeout');
});

test('setpoints go at their pace, with the echo, and the input must be renewed', () => {
  const operator = armed();
  operator.drive(1100, { linear: 1, angular: -0.5 });
  beacon(operator, 1100, { state: 'armed', epoch: 8 });
  const [setpoint, ...more] = sends(operator, 1100);
  assert.deepEqual(more, []);
  assert.equal(setpoint.channel, 'control');
  assert.equal(setpoint.epoch, 8);
  assert.equal(setpoint.echo, 1_100_000);
  assert.deepEqual(setpoint.axes, { linear: 32767, angular: -16384, pan: 0, tilt: 0, custom: [0, 0, 0, 0] });
  assert.deepEqual(sends(operator, 1120), []);
  assert.equal(operator.pollTimeout(1120), 1133);
  beacon(operator, 1360, { state: 'armed', epoch: 8 });
  assert.equal(sends(operator, 1360)[0].axes.linear, 0, 'the key is no longer held');
  assert.deepEqual(sends(operator, 1700), [], 'nothing fresh can be said any more');
  assert.equal(operator.pollTimeout(1700), Infinity);
});

test('a hand that moves is told at once, but not more often than a server takes', () => {
  const operator = armed();
  beacon(operator, 1100, { state: 'armed', epoch: 8 });
  operator.drive(1100, { linear: 0.5 });
  assert.equal(sends(operator, 1100).length, 1);
  operator.drive(1112, { linear: 0.5 });
  assert.deepEqual(sends(operator, 1112), [], 'nothing new');
  operator.drive(1115, { linear: 0 });
  assert.equal(sends(operator, 1115)[0].axes.linear, 0, 'long before its turn');
  let sent = 0;
  for (let now = 1116; now < 1376; now += 1) {
    operator.drive(now, { linear: (now % 100) / 100 });
    sent += sends(operator, now).length;
  }
  assert.ok(sent >= 20 && sent <= 22, `${sent} in 260 ms`);
});

test('a hand that moves does not wait for the setpoint that left just before', () => {
  const operator = armed();
  beacon(operator, 1100, { state: 'armed', epoch: 8 });
  operator.drive(1100, { linear: 0 });
  sends(operator, 1100);
  operator.drive(1103, { linear: 0.5 });
  assert.equal(sends(operator, 1103)[0]?.axes.linear, 16384);
});

test('a stop goes by both channels at once and on until it is acknowledged', () => {
  const operator = armed();
  operator.drive(1020, { linear: 1 });
  operator.stop(1020);
  const first = sends(operator, 1020);
  assert.deepEqual(first.map(({ channel }) => channel).sort(), ['control', 'control-reliable']);
  assert.ok(first.every(({ kind, epoch }) => kind === 'stop' && epoch === 8));
  assert.equal(operator.arm(1030), 'stopping');
  operator.drive(1030, { linear: 1 });
  let stops = 0;
  for (let now = 1030; now < 6030; now += 10) {
    const sent = sends(operator, now);
    assert.ok(sent.every(({ kind, channel }) => kind === 'stop' && channel === 'control'));
    stops += sent.length;
  }
  assert.ok(stops >= 90, `${stops} repetitions in 5 s`);
  ack(operator, 6040, 'stop', first[0].seq, { state: 'stopped', reason: 'operator', epoch: 8 });
  const { phase, reason } = operator.status(6040);
  assert.deepEqual([phase, reason], ['stopped', 'operator']);
  assert.ok(sends(operator, 6100).every(({ kind }) => kind === 'ping'));
});

test('a stop is sent even where nothing was ever heard', () => {
  const operator = new Operator();
  operator.stop(0);
  assert.ok(sends(operator, 0).every(({ kind, epoch }) => kind === 'stop' && epoch === ALL_EPOCHS));
});

test('a stop that was pressed while the link failed is sent by the next one', () => {
  const operator = armed();
  operator.stop(1020);
  sends(operator, 1020);
  operator.handleClosed();
  assert.equal(operator.status(1500).phase, 'stopping');
  const again = sends(operator, 2000);
  assert.deepEqual(again.map(({ channel }) => channel).sort(), ['control', 'control-reliable']);
  assert.ok(again.every(({ kind, epoch }) => kind === 'stop' && epoch === ALL_EPOCHS));
});

test('what ended on the device ends here, and late reports change nothing', () => {
  const operator = armed();
  beacon(operator, 1005);
  assert.equal(operator.status(1011).phase, 'armed', 'said before the arm was done');
  beacon(operator, 1400, { state: 'stopped', reason: 'stale', epoch: 8 });
  assert.equal(operator.status(1400).phase, 'stopped');
  assert.equal(operator.status(1400).reason, 'stale');
  beacon(operator, 1390, { state: 'armed', epoch: 8 });
  assert.equal(operator.status(1400).phase, 'stopped');
  assert.ok(sends(operator, 1410).every(({ kind }) => kind === 'ping'));
});

test("an epoch that somebody else opened is not ours", () => {
  const operator = new Operator();
  beacon(operator, 1000, { state: 'armed' });
  assert.equal(operator.status(1000).phase, 'foreign');
  assert.equal(operator.arm(1000), 'armed');
});

test('the round trip is measured without the time that the device held it', () => {
  const operator = new Operator();
  beacon(operator, 1000);
  const [ping] = sends(operator, 1000);
  assert.equal(ping.kind, 'ping');
  beacon(operator, 1080, { heard: ping.seq, heldUs: 30_000 });
  assert.equal(operator.status(1080).rttMs, 50);
});

test('through a server, pings wait for an arm, and what others are heard of is not measured', () => {
  const operator = new Operator({ relayed: true });
  beacon(operator, 1000, { lease: 3 });
  assert.deepEqual(sends(operator, 1000), []);
  assert.equal(operator.pollTimeout(1000), Infinity);
  operator.arm(1000);
  const [arm] = sends(operator, 1000);
  beacon(operator, 1005, { lease: 3, heard: arm.seq });
  assert.equal(operator.status(1005).rttMs, null, 'the number is ours, who was heard is not');
  ack(operator, 1010, 'arm', arm.seq, { lease: 4, state: 'armed', epoch: 8 });
  beacon(operator, 1020, { lease: 4, heard: arm.seq, heldUs: 10_000, state: 'armed', epoch: 8 });
  assert.equal(operator.status(1020).rttMs, 10);
  operator.stop(1020);
  const [stop] = sends(operator, 1020);
  ack(operator, 1030, 'stop', stop.seq, { lease: 4, epoch: 8, state: 'stopped', reason: 'operator' });
  assert.deepEqual(sends(operator, 1300).map(({ kind }) => kind), ['ping'], 'the lease is still ours');
  beacon(operator, 1400, { lease: 5, epoch: 9, state: 'armed' });
  assert.deepEqual(sends(operator, 1700), [], 'it is no longer');
});

test('through a server the numbers of others are not taken over', () => {
  const operator = new Operator({ relayed: true });
  beacon(operator, 1000, { lease: 3, heard: 0xffffffff });
  operator.arm(1000);
  const [arm] = sends(operator, 1000);
  assert.equal(arm.seq, 1, 'one stop with the last number must not silence every page');
  ack(operator, 1010, 'arm', arm.seq, { lease: 4, state: 'armed', epoch: 8 });
  beacon(operator, 1020, { lease: 4, heard: 0xffffffff, state: 'armed', epoch: 8 });
  operator.drive(1020, { linear: 1 });
  assert.ok(sends(operator, 1020).every(({ seq }) => seq < 10));
});

test('a page that was loaded again goes on above its former sequence', () => {
  const operator = new Operator();
  beacon(operator, 1000, { heard: 4000 });
  assert.ok(sends(operator, 1000)[0].seq > 4000);
  operator.takeLease(5);
  beacon(operator, 1010, { heard: 9000, lease: 4 });
  const [ping] = sends(operator, 1010 + 200);
  assert.deepEqual([ping.seq, ping.lease], [1, 5], "the former holder's numbers are not ours");
});

test('a device whose clock began anew is believed', () => {
  const operator = armed();
  beacon(operator, 1_000_000, { state: 'armed', epoch: 8 });
  beacon(operator, 1_000_500, { stamp: 1_000_000, epoch: 1 });
  const { phase, epoch } = operator.status(1_000_500);
  assert.deepEqual([phase, epoch], ['disarmed', 1]);
});

test('what is no message is counted and changes nothing', () => {
  const operator = armed();
  for (const bytes of [[], [1], [2, 129], new Array(36).fill(255)]) {
    assert.equal(operator.handleMessage(1010, Uint8Array.from(bytes)), null);
  }
  assert.equal(operator.status(1010).malformed, 4);
  assert.equal(operator.status(1010).phase, 'armed');
});
