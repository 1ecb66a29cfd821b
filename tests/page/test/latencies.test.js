// What the page makes of a drive's times, against a device and a camera whose times are known.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { DeviceClock } from '../../../sfu-edge/web/control/device-clock.js';
import { Latencies } from '../../../sfu-edge/web/control/latencies.js';
import { Pictures } from '../../../sfu-edge/web/control/pictures.js';
import { Spread } from '../../../sfu-edge/web/control/spread.js';

const FRAME_MS = 1000 / 30;

test('middle and tail are of the latest samples', () => {
  const spread = new Spread({ most: 100 });
  assert.equal(spread.figures(), null);
  for (let n = 0; n < 1000; n += 1) spread.add(n < 900 ? 7 : n - 900);
  spread.add(NaN);
  assert.deepEqual(spread.figures(), { p50: 50, p99: 99, count: 1000 });
});

test('a timestamp is a moment of the device, also across the wrap', () => {
  const pictures = new Pictures();
  assert.equal(pictures.stampOf(5), null, 'nothing was told');
  pictures.tell({ captured: 7_000_000, rtp: 0xffffff00 });
  assert.equal(pictures.stampOf(0xffffff00), 7_000_000);
  assert.equal(pictures.stampOf((0xffffff00 + 90_000) >>> 0), 8_000_000);
  assert.equal(pictures.stampOf(0xffffff00 - 9000), 6_900_000);
  assert.equal(pictures.stampOf((0xffffff00 + 2 ** 30) >>> 0), null, 'those of another publisher');
  for (const none of [undefined, NaN, 1.5, '7']) assert.equal(pictures.stampOf(none), null);
  pictures.tell({ captured: 5, rtp: 90_000 });
  assert.equal(pictures.stampOf(0), null, 'before the device began');
});

test('the clock is that of the report that came quickest', () => {
  const clock = new DeviceClock();
  assert.equal(clock.at(0), null);
  const ahead = 123_456;
  for (let n = 0; n < 400; n += 1) {
    const now = n * 50;
    // Ways of 8 ms and more, one in twenty of no more than that.
    const way = 8 + (n % 20) * 3;
    clock.heard(now, (now + ahead - way) * 1000);
    clock.wentRound(now, way + 8);
  }
  assert.ok(Math.abs(clock.at(20_000) - 20_000 - ahead) < 0.01, `${clock.at(20_000) - 20_000 - ahead}`);
  // A device that begins anew counts from its own beginning.
  clock.heard(20_000, 1_000_000);
  assert.ok(Math.abs(clock.at(20_000) - 1008) < 0.01, `${clock.at(20_000)}`);
});

// A device, a camera and the ways between, in simulated time. Everything that is due is handled in order.
function drive({ seconds, way, pictureWay, toggles, aheadMs = 5_000_000, loses = () => false }) {
  const latencies = new Latencies();
  const due = [];
  const at = (ms, then) => due.push({ ms, then });
  const device = (ms) => Math.round((ms + aheadMs) * 1000);
  const device_ = { heard: 0, heardAt: 0, applied: 0 };
  const truth = { commands: [], frames: [], loops: [] };
  let dice = 1;
  const random = () => (dice = (dice * 16807) % 2147483647) / 2147483647;
  const base = { lease: 3, epoch: 1, state: 'armed', reason: null };
  let seq = 0;
  let motion = 0;
  for (let ms = 100; ms < seconds * 1000; ms += 20) {
    at(ms, () => {
      seq += 1;
      const number = seq;
      if (toggles.some((toggle) => ms >= toggle && ms < toggle + 20)) motion = motion === 0 ? 20_000 : 0;
      latencies.sent(ms, { kind: 'setpoint', seq: number, axes: { linear: motion, angular: 0 } });
      if (loses(random())) return;
      const arrives = ms + way(random());
      at(arrives, () => {
        if (number <= device_.heard) return;
        Object.assign(device_, { heard: number, heardAt: arrives, applied: number });
        truth.commands.push({ seq: number, sentAt: ms, arrives });
      });
    });
  }
  for (let ms = 100; ms < seconds * 1000; ms += 50) {
    at(ms, () => {
      const { heard, heardAt, applied } = device_;
      const beacon = { ...base, kind: 'beacon', stamp: device(ms), heard, heldUs: Math.round((ms - heardAt) * 1000), applied, limitMs: 300, ageMs: 10 };
      const arrives = ms + way(random());
      if (!loses(random())) at(arrives, () => latencies.heard(arrives, beacon));
    });
  }
  let timestamp = 0xfffff000;
  for (let ms = 100; ms < seconds * 1000; ms += FRAME_MS) {
    const [captured, stamp] = [ms, (timestamp = (timestamp + 3000) >>> 0)];
    if (Math.round(ms / FRAME_MS) % 3 === 0) {
      const arrives = ms + way(random());
      at(arrives, () => latencies.heard(arrives, { ...base, kind: 'picture', stamp: device(captured), captured: device(captured), rtp: stamp }));
    }
    const lights = captured + pictureWay(random());
    at(lights, () => {
      truth.frames.push({ captured, lights });
      const seen = latencies.shown(lights, stamp);
      if (seen) truth.lastAge = { said: seen.ageMs, is: lights - captured };
    });
  }
  while (due.length > 0) {
    due.sort((a, b) => b.ms - a.ms);
    due.pop().then();
  }
  for (let loop; (loop = latencies.pollLoop()); ) truth.loops.push(loop);
  return { latencies, truth };
}

// What a loop is by the true times: the first picture captured once a setpoint as new as that was at the device.
function isLoop(truth, { seq, sentAt, ms }) {
  const applied = truth.commands.filter((command) => command.seq >= seq).map(({ arrives }) => arrives).sort((a, b) => a - b)[0];
  const shows = truth.frames.filter(({ captured }) => captured >= applied).map(({ lights }) => lights).sort((a, b) => a - b)[0];
  return { is: shows - sentAt, apart: Math.abs(ms - (shows - sentAt)) };
}

const TOGGLES = Array.from({ length: 60 }, (_, n) => 500 + n * 437);

test('on a still path all is exact', () => {
  const { latencies, truth } = drive({ seconds: 28, way: () => 10, pictureWay: () => 80, toggles: TOGGLES });
  const { roundTrip, picture, loop } = latencies.figures();
  assert.ok(Math.abs(roundTrip.p50 - 20) < 0.1 && Math.abs(roundTrip.p99 - 20) < 0.1, JSON.stringify(roundTrip));
  assert.ok(Math.abs(picture.p50 - 80) < 0.1 && Math.abs(picture.p99 - 80) < 0.1, JSON.stringify(picture));
  assert.ok(truth.loops.length >= 58, `${truth.loops.length} loops`);
  for (const measured of truth.loops) {
    const { apart } = isLoop(truth, measured);
    assert.ok(apart < 0.1, `${JSON.stringify(measured)}: ${apart} ms apart`);
  }
  assert.ok(loop.p50 >= 90 && loop.p50 <= 90 + FRAME_MS + 1, JSON.stringify(loop));
});

test('on a path that shakes and loses, every loop is right within one frame', () => {
  const { latencies, truth } = drive({
    seconds: 28, way: (x) => 10 + x * x * 12, pictureWay: (x) => 70 + x * 15, toggles: TOGGLES, loses: (x) => x < 0.05,
  });
  assert.ok(truth.loops.length >= 50, `${truth.loops.length} loops`);
  for (const measured of truth.loops) {
    const { apart, is } = isLoop(truth, measured);
    assert.ok(apart <= FRAME_MS + 15, `${measured.ms} for ${is}`);
  }
  assert.ok(Math.abs(truth.lastAge.said - truth.lastAge.is) < 3, JSON.stringify(truth.lastAge));
  assert.ok(latencies.figures().picture.p50 > 65);
});

test('what another operator had applied is no answer of ours', () => {
  const latencies = new Latencies();
  latencies.sent(0, { kind: 'setpoint', seq: 5, axes: { linear: 0, angular: 0 } });
  latencies.sent(20, { kind: 'setpoint', seq: 6, axes: { linear: 9000, angular: 0 } });
  // The other's 900th, of a lease of before.
  latencies.heard(30, { kind: 'beacon', stamp: 1_000_000, lease: 9, heard: 900, heldUs: 100, applied: 900, ageMs: 4 });
  latencies.heard(31, { kind: 'picture', captured: 1_100_000, rtp: 9000 });
  assert.ok(latencies.shown(40, 9000));
  assert.equal(latencies.pollLoop(), null);
  assert.equal(latencies.figures().roundTrip, null);
});

test('an answer is timed once, and a stop from its first copy', () => {
  const latencies = new Latencies();
  for (const now of [100, 100.2]) latencies.sent(now, { kind: 'stop', seq: 8 });
  for (const now of [112, 113]) latencies.heard(now, { kind: 'ack', stamp: 5, seq: 8, of: 'stop', result: 'done' });
  const { p50, count } = latencies.figures().ack;
  assert.deepEqual([p50, count], [12, 1]);
});

test('without a report there is no stamp, and without a clock no age', () => {
  const latencies = new Latencies();
  assert.equal(latencies.shown(10, 9000), null);
  latencies.heard(10, { kind: 'picture', stamp: 5, captured: 90_000, rtp: 9000 });
  assert.deepEqual(latencies.shown(20, 9000), { stampUs: 90_000, ageMs: null });
  latencies.closed();
  assert.equal(latencies.shown(30, 9000), null);
});
