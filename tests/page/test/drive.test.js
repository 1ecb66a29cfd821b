// The page's operator drives the real kernel, in simulated time, over a path that loses and delays.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Operator } from '../../../sfu-edge/web/control/operator.js';
import { Device } from '../src/device.js';

// Both ends of a path; `lose` and `delay` can be changed on the way.
class Drive {
  operator = new Operator();
  device = new Device();
  now = 0;
  lose = () => false;
  delay = 10;
  output = [0, 0];
  state = '';
  switched = [];
  #up = [];
  #down = [];

  async run(ms, each = () => {}) {
    for (const end = this.now + ms; this.now < end; this.now += 5) {
      each(this.now);
      for (let out; (out = this.operator.pollTransmit(this.now)); ) this.#send(this.#up, out);
      for (const out of this.#arrived(this.#up)) this.#took(await this.device.take(this.now, out));
      this.#took(await this.device.tick(this.now));
      for (const { bytes } of this.#arrived(this.#down)) this.operator.handleMessage(this.now, bytes);
    }
  }

  get phase() {
    return this.operator.status(this.now).phase;
  }

  async arm() {
    await this.run(60);
    assert.equal(this.operator.arm(this.now), null);
    await this.run(60);
    assert.equal(this.phase, 'armed');
  }

  #took({ messages, switched, output, state }) {
    this.switched.push(...switched);
    for (const out of messages) this.#send(this.#down, out);
    this.output = output;
    this.state = state;
  }

  #send(path, out) {
    if (!this.lose(out)) path.push({ at: this.now + this.delay, out });
  }

  #arrived(path) {
    const due = path.filter(({ at }) => at <= this.now);
    path.splice(0, path.length, ...path.filter(({ at }) => at > this.now));
    return due.map(({ out }) => out);
  }
}

function drives(name, body) {
  test(name, async () => {
    const drive = new Drive();
    try {
      await body(drive);
    } finally {
      drive.device.end();
    }
  });
}

drives('from arm to disarm', async (drive) => {
  await drive.arm();
  await drive.run(500, (now) => drive.operator.drive(now, { linear: 1, angular: -0.25 }));
  assert.deepEqual(drive.output, [32767, -8192]);
  const status = drive.operator.status(drive.now);
  assert.ok(Math.abs(status.rttMs - 20) <= 6, `${status.rttMs} ms`);
  assert.ok(status.commandAgeMs >= 20 && status.commandAgeMs <= 85, `${status.commandAgeMs} ms`);
  assert.equal(status.limitMs, 300);
  assert.deepEqual(status.telemetry.axes.linear, 32767);
  drive.operator.disarm(drive.now);
  await drive.run(60);
  assert.deepEqual([drive.phase, drive.output], ['disarmed', [0, 0]]);
});

drives('a stop gets through a path that loses most', async (drive) => {
  await drive.arm();
  let dice = 1;
  drive.lose = () => (dice = (dice * 16807) % 2147483647) % 100 < 70;
  await drive.run(100, (now) => drive.operator.drive(now, { linear: 1 }));
  drive.operator.stop(drive.now);
  await drive.run(300);
  assert.deepEqual(drive.output, [0, 0]);
  await drive.run(3000);
  assert.equal(drive.phase, 'stopped');
  assert.match(drive.state, /Stopped/);
});

drives('a cut link stops the wheels and they stay so until they are armed again', async (drive) => {
  await drive.arm();
  const hold = (now) => drive.operator.drive(now, { linear: 0.5 });
  await drive.run(200, hold);
  assert.deepEqual(drive.output, [16384, 0]);
  drive.lose = () => true;
  await drive.run(320, hold);
  assert.deepEqual(drive.output, [0, 0]);
  drive.lose = () => false;
  await drive.run(500, hold);
  assert.deepEqual(drive.output, [0, 0]);
  const { phase, reason } = drive.operator.status(drive.now);
  assert.deepEqual([phase, reason], ['stopped', 'stale']);
  await drive.arm();
  await drive.run(100, hold);
  assert.deepEqual(drive.output, [16384, 0]);
});

drives('a path slower than the limit moves nothing', async (drive) => {
  await drive.run(60);
  drive.delay = 200;
  await drive.run(500);
  drive.operator.arm(drive.now);
  await drive.run(1500, (now) => {
    drive.operator.drive(now, { linear: 1 });
    assert.deepEqual(drive.output, [0, 0]);
  });
  assert.equal(drive.operator.status(drive.now).refusal, 'stale');
});

drives('a page that was loaded again stops and arms', async (drive) => {
  await drive.arm();
  await drive.run(200, (now) => drive.operator.drive(now, { linear: 1 }));
  drive.operator = new Operator();
  await drive.run(60);
  assert.equal(drive.phase, 'foreign');
  drive.operator.stop(drive.now);
  await drive.run(60);
  assert.deepEqual([drive.phase, drive.output], ['stopped', [0, 0]]);
  await drive.arm();
});

drives('an emergency stop holds until a reset, whatever is lost on the way', async (drive) => {
  await drive.arm();
  let dice = 1;
  drive.lose = () => {
    dice = (dice * 1103515245 + 12345) % 0x80000000;
    return dice > 0x30000000;
  };
  drive.operator.emergency(drive.now);
  await drive.run(1500);
  assert.equal(drive.phase, 'emergency');
  assert.equal(drive.state, 'Emergency');
  assert.equal(drive.operator.arm(drive.now), 'emergency');
  // A lesser stop takes nothing of it away.
  drive.operator.stop(drive.now);
  await drive.run(1500);
  assert.equal(drive.state, 'Emergency');
  assert.equal(drive.operator.reset(drive.now), null);
  assert.equal(drive.phase, 'resetting');
  await drive.run(1500);
  assert.equal(drive.phase, 'disarmed');
  assert.equal(drive.operator.reset(drive.now), 'no-emergency');
  drive.lose = () => false;
  await drive.arm();
});

drives('what is switched is switched once, by the repetition if need be, or not at all', async (drive) => {
  await drive.run(60);
  drive.operator.switchOutput(drive.now, 'light', 1);
  drive.lose = () => true;
  await drive.run(100);
  const pressed = () => drive.operator.status(drive.now).pressed;
  assert.deepEqual(pressed(), { output: 'light', value: 1, answer: null, waits: true });
  drive.lose = () => false;
  await drive.run(500);
  assert.deepEqual(pressed(), { output: 'light', value: 1, answer: 'done', waits: false });
  assert.deepEqual(drive.switched, ['light 1']);
  drive.operator.switchOutput(drive.now, 'horn', 1, 400);
  drive.lose = () => true;
  await drive.run(2100);
  assert.equal(pressed().waits, false);
  drive.lose = () => false;
  await drive.run(500);
  assert.deepEqual(drive.switched, ['light 1'], 'too late is not at all');
});
