// Channels, timer and hands: the page's Drive drives the real kernel, in simulated time.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Drive } from '../../../sfu-edge/web/control/drive.js';
import { emitNotice, parseRequest } from '../../../sfu-edge/web/control/lease-wire.js';
import { emitPicture, emitReport, parseCommand } from '../../../sfu-edge/web/control/wire.js';
import { Device } from '../src/device.js';
import { FakeTime } from '../src/time.js';

const STEP_MS = 5;

class Hand {
  axes = null;

  release() {
    this.axes = null;
  }
}

// The browser's half of a data channel.
class Channel {
  readyState = 'connecting';
  bufferedAmount = 0;

  constructor(label, options, sent) {
    Object.assign(this, { label, options, sent });
  }

  send(bytes) {
    assert.equal(this.readyState, 'open');
    this.sent.push({ channel: this.label, bytes });
  }

  open() {
    this.readyState = 'open';
    this.onopen();
  }

  close() {
    this.readyState = 'closed';
    this.onclose();
  }
}

class Road {
  time = new FakeTime();
  device = new Device();
  stick = new Hand();
  keys = new Hand();
  seen = { sent: [], heard: [], closed: 0 };
  drive = new Drive({
    hands: [this.stick, this.keys],
    observers: [{
      sent: (now, command, channel) => this.seen.sent.push({ at: now, channel, ...command }),
      heard: (now, report) => this.seen.heard.push({ at: now, ...report }),
      closed: () => (this.seen.closed += 1),
    }, {}],
    time: this.time,
  });
  commands = [];
  // What was asked about the lease: the device hears nothing of it.
  requests = [];
  channels = [];
  output = [0, 0];
  cut = false;
  #up = [];
  #down = [];

  connect() {
    this.channels = [];
    this.drive.open({
      createDataChannel: (label, options) => {
        const channel = new Channel(label, options, this.#up);
        this.channels.push(channel);
        return channel;
      },
    });
    for (const channel of this.channels) channel.open();
  }

  async run(ms) {
    for (let passed = 0; passed < ms; passed += STEP_MS) {
      this.time.advance(STEP_MS);
      const now = this.time.now();
      for (const out of this.#up.splice(0)) {
        if (out.bytes[1] === 64) {
          assert.equal(out.channel, 'control-reliable');
          this.requests.push({ at: now, ...parseRequest(out.bytes) });
          continue;
        }
        this.commands.push({ channel: out.channel, at: now, ...parseCommand(out.bytes) });
        if (!this.cut) this.#take(await this.device.take(now, out));
      }
      this.#take(await this.device.tick(now));
      for (const { channel, bytes } of this.#down.splice(0)) {
        const data = bytes.slice().buffer;
        if (!this.cut) this.channels.find(({ label }) => label === channel)?.onmessage({ data });
      }
    }
  }

  // The server says how the lease stands.
  tell(notice) {
    const { buffer } = emitNotice({ lease: 1, you: 7, ...notice });
    this.channels[1].onmessage({ data: buffer });
  }

  asked() {
    return this.requests.splice(0).map(({ action, about }) => (about > 0 ? [action, about] : [action]));
  }

  async arm() {
    await this.run(100);
    this.drive.arm();
    await this.run(50);
    assert.equal(this.phase, 'armed');
  }

  get phase() {
    return this.drive.status().phase;
  }

  kinds() {
    return [...new Set(this.commands.splice(0).map(({ kind }) => kind))];
  }

  #take({ messages, output }) {
    this.#down.push(...messages);
    this.output = output;
  }
}

function drives(name, body, mayDrive = true) {
  test(name, async () => {
    const road = new Road();
    try {
      road.drive.allow(mayDrive);
      road.connect();
      await body(road);
    } finally {
      road.device.end();
    }
  });
}

drives('the channels are as the protocol wants them', async ({ channels }) => {
  assert.deepEqual(channels.map(({ label, options }) => [label, options]), [
    ['control', { ordered: false, maxRetransmits: 0 }],
    ['control-reliable', { ordered: true }],
  ]);
  assert.ok(channels.every(({ binaryType }) => binaryType === 'arraybuffer'));
});

drives('a key moves it, its release stops it, and stop ends it', async (road) => {
  await road.arm();
  road.keys.axes = { linear: 0.5, angular: -0.25 };
  road.drive.steer();
  await road.run(40);
  assert.deepEqual(road.output, [16384, -8192]);
  await road.run(1000);
  assert.deepEqual(road.output, [16384, -8192], 'as long as it is held');
  const setpoints = road.commands.filter(({ kind }) => kind === 'setpoint').length;
  assert.ok(setpoints > 30 && setpoints <= 60, `${setpoints} in a second`);
  road.keys.axes = null;
  road.drive.steer();
  await road.run(40);
  assert.deepEqual(road.output, [0, 0]);
  assert.equal(road.phase, 'armed');
  road.keys.axes = { linear: 0.5, angular: 0 };
  road.drive.steer();
  await road.run(40);
  road.drive.stop();
  await road.run(20);
  assert.deepEqual([road.output, road.phase], [[0, 0], 'stopped']);
  assert.equal(road.drive.status().rttMs < 20, true);
});

drives('the stick goes before the keys, in its middle too', async (road) => {
  await road.arm();
  road.keys.axes = { linear: 1, angular: 0 };
  road.stick.axes = { linear: 0, angular: 0 };
  road.drive.steer();
  await road.run(100);
  assert.deepEqual(road.output, [0, 0]);
});

drives('what was held before it was armed does not count', async (road) => {
  road.keys.axes = { linear: 1, angular: 0 };
  await road.arm();
  await road.run(500);
  assert.deepEqual(road.output, [0, 0]);
  assert.equal(road.drive.status().letGo, true);
  road.keys.axes = null;
  road.drive.steer();
  assert.equal(road.drive.status().letGo, false);
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  await road.run(40);
  assert.deepEqual(road.output, [32767, 0]);
});

drives('a stop while a key is held: the key moves nothing after the next arm', async (road) => {
  await road.arm();
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  await road.run(100);
  road.drive.stop();
  await road.run(50);
  road.drive.arm();
  await road.run(500);
  assert.deepEqual([road.phase, road.output], ['armed', [0, 0]]);
});

drives('who looks away stops what they drive, and nothing else', async (road) => {
  road.kinds();
  await road.run(200);
  road.drive.leave();
  await road.run(200);
  assert.deepEqual(road.kinds(), [], 'not armed: nothing to stop, and nothing to say before an arm');
  assert.equal(road.phase, 'disarmed');
  await road.arm();
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  await road.run(50);
  road.drive.leave('hidden');
  assert.equal(road.keys.axes, null);
  await road.run(20);
  assert.deepEqual([road.output, road.phase, road.drive.status().reason], [[0, 0], 'stopped', 'hidden']);
});

drives('who may only watch sends nothing whatever is pressed', async (road) => {
  await road.run(200);
  road.drive.arm();
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  road.drive.stop();
  road.drive.disarm();
  road.drive.leave();
  await road.run(500);
  assert.deepEqual(road.commands, []);
  assert.equal(road.phase, 'disarmed');
  assert.ok(road.drive.status().telemetry);
}, false);

drives('a cut road: it stops by itself, and says so afterwards', async (road) => {
  await road.arm();
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  await road.run(100);
  road.cut = true;
  await road.run(320);
  assert.deepEqual(road.output, [0, 0]);
  road.cut = false;
  await road.run(300);
  const { phase, reason } = road.drive.status();
  assert.deepEqual([phase, reason, road.output], ['stopped', 'stale', [0, 0]]);
});

drives('a new peer begins disarmed, and the old one\'s channels say nothing more', async (road) => {
  await road.arm();
  const old = road.channels;
  road.connect();
  assert.equal(road.phase, 'unheard');
  old[0].close();
  old[1].onmessage({ data: new ArrayBuffer(8) });
  assert.equal(road.drive.status().linked, true);
  assert.equal(road.drive.status().malformed, 0);
  await road.run(100);
  assert.equal(road.phase, 'foreign', 'armed by who was there before');
});

drives('a stop that was pressed without a road goes out when there is one', async (road) => {
  road.channels[0].close();
  assert.equal(road.drive.status().linked, false);
  road.drive.stop();
  assert.equal(road.phase, 'stopping');
  road.connect();
  await road.run(50);
  assert.equal(road.phase, 'stopped');
});

drives('what finds no room is dropped and counted; a stop goes by the other way', async (road) => {
  await road.arm();
  road.commands = [];
  road.channels[0].bufferedAmount = 100_000;
  await road.run(100);
  assert.deepEqual(road.commands, []);
  assert.ok(road.drive.status().dropped > 2);
  road.drive.stop();
  await road.run(20);
  assert.deepEqual(road.commands.map(({ channel, kind }) => [channel, kind]), [['control-reliable', 'stop']]);
  assert.equal(road.phase, 'stopped');
});

drives('why an arm came to nothing is told until the next one', async (road) => {
  road.channels[0].close();
  road.drive.arm();
  assert.equal(road.drive.status().refused, 'unheard');
  road.connect();
  await road.arm();
  assert.equal(road.drive.status().refused, null);
  road.drive.stop();
  await road.run(50);
  road.cut = true;
  road.drive.arm();
  await road.run(2100);
  assert.equal(road.drive.status().refused, 'timeout');
});

drives('what is no report, or no bytes at all, changes nothing', async (road) => {
  await road.run(100);
  for (const data of ['hello', new ArrayBuffer(0), new ArrayBuffer(5000), null]) road.channels[0].onmessage({ data });
  assert.equal(road.phase, 'disarmed');
  assert.equal(road.drive.status().malformed, 2);
});

drives('without a picture nobody drives', async (road) => {
  road.drive.see(false);
  await road.run(100);
  road.drive.arm();
  await road.run(50);
  assert.deepEqual([road.phase, road.drive.status().refused], ['disarmed', 'unseen']);
  road.drive.see(true);
  await road.arm();
  road.keys.axes = { linear: 0.5, angular: 0 };
  road.drive.steer();
  await road.run(40);
  road.drive.see(false);
  await road.run(20);
  const { phase, reason } = road.drive.status();
  assert.deepEqual([road.output, phase, reason], [[0, 0], 'stopped', 'blind']);
});

const MINE = { source: 7, name: 'drive', firmMs: 6000 };
const THEIRS = { source: 9, name: 'neighbour', firmMs: 6000 };

drives('how the lease stands is asked for with every connection, and it is renewed while somebody is there', async (road) => {
  await road.run(100);
  assert.deepEqual(road.asked(), [['query']]);
  road.drive.request('acquire');
  await road.run(10);
  assert.deepEqual(road.asked(), [['acquire']]);
  road.tell({ holder: MINE });
  assert.equal(road.drive.status().holding.mine, true);
  await road.run(10_000);
  const renewals = road.asked();
  assert.ok(renewals.length === 4 || renewals.length === 5, `${renewals}`);
  assert.ok(renewals.every(([action]) => action === 'renew'));
  // A glance elsewhere is forgiven; then it is given up.
  road.drive.absent();
  await road.run(4000);
  road.drive.present();
  await road.run(4000);
  assert.ok(road.asked().every(([action]) => action === 'renew'));
  road.drive.absent();
  await road.run(8100);
  assert.deepEqual(road.asked().at(-1), ['release']);
  road.tell({ holder: null });
  await road.run(10_000);
  assert.deepEqual(road.asked(), []);
  // Nor is it kept by a page that is open and that nobody touches; what is steered is touched.
  road.drive.present();
  road.tell({ holder: MINE });
  await road.run(110_000);
  road.stick.axes = { linear: 0, angular: 0 };
  await road.run(100);
  road.stick.axes = null;
  await road.run(100_000);
  assert.ok(road.asked().every(([action]) => action === 'renew'));
  await road.run(25_000);
  assert.deepEqual(road.asked().at(-1), ['release']);
  road.connect();
  await road.run(100);
  assert.equal(road.drive.status().holding.known, false);
  assert.deepEqual(road.asked(), [['query']]);
});

drives('who asks is answered by name', async (road) => {
  await road.run(100);
  road.tell({ holder: { ...MINE, asker: { source: 9, name: 'neighbour', leftMs: 10_000 } } });
  await road.run(500);
  const { asker, asking, leftMs } = road.drive.status().holding;
  assert.deepEqual([asker, asking, leftMs], ['neighbour #0000', false, 9500]);
  road.asked();
  road.drive.request('grant');
  road.drive.request('deny');
  await road.run(10);
  assert.deepEqual(road.asked(), [['grant', 9], ['deny', 9]]);
  road.tell({ holder: MINE });
  road.drive.request('grant');
  await road.run(10);
  assert.deepEqual(road.asked(), [], 'nobody asks any more');
});

drives('what somebody else holds firmly is not armed, and the page says so at once', async (road) => {
  await road.run(100);
  road.tell({ holder: THEIRS });
  road.kinds();
  road.drive.arm();
  await road.run(100);
  assert.deepEqual([road.kinds(), road.drive.status().refused], [[], 'held']);
  road.tell({ holder: { ...THEIRS, firmMs: null } });
  await road.arm();
  road.drive.stop();
  road.tell({ holder: null });
  await road.run(50);
  await road.arm();
});

drives('a notice that is malformed changes nothing, and is no report', async (road) => {
  await road.run(100);
  road.tell({ holder: MINE });
  const bytes = emitNotice({ lease: 1, you: 7, holder: THEIRS });
  road.channels[1].onmessage({ data: bytes.slice(0, 79).buffer });
  bytes[2] = 255;
  road.channels[1].onmessage({ data: bytes.buffer });
  const status = road.drive.status();
  assert.deepEqual([status.holding.mine, status.malformed], [true, 0]);
});

drives('who may only watch asks for nothing', async (road) => {
  road.drive.request('acquire');
  await road.run(500);
  assert.deepEqual(road.asked(), []);
}, false);

drives('who observes is told what left and what came, pictures too', async (road) => {
  await road.arm();
  road.drive.sawPicture(7_000_000);
  road.keys.axes = { linear: 1, angular: 0 };
  road.drive.steer();
  await road.run(60);
  const { sent, heard } = road.seen;
  const { at, ...arm } = sent.find(({ kind }) => kind === 'arm');
  assert.deepEqual(road.commands.find(({ kind }) => kind === 'arm'), { ...arm, at: at + STEP_MS });
  assert.equal(sent.length, road.commands.length);
  assert.equal(sent.at(-1).picture, 7_000_000);
  for (const kind of ['beacon', 'ack', 'telemetry']) assert.ok(heard.some((report) => report.kind === kind), kind);
  // It says when a picture was captured, and nothing of the device: the echo stays as it was.
  const before = road.drive.status();
  road.channels[0].onmessage({ data: emitPicture({ rtp: 9000, captured: 99_000_000_000 }).buffer });
  assert.deepEqual(heard.at(-1), { at: road.time.now(), kind: 'picture', rtp: 9000, captured: 99_000_000_000 });
  assert.deepEqual(road.drive.status(), before);
  const count = heard.length;
  road.channels[0].onmessage({ data: emitPicture({ rtp: 9000, captured: 5 }).slice(0, 15).buffer });
  assert.equal(heard.length, count);
  for (const channel of road.channels) channel.close();
  assert.equal(road.seen.closed, 1);
});

drives('where a picture is asked for, nobody arms before there is one, or long after', async (road) => {
  await road.run(100);
  road.cut = true;
  const hears = (pictureLimitMs) => {
    const { epoch, lease } = road.drive.status();
    const beacon = { kind: 'beacon', state: 'disarmed', reason: null, lease, epoch, heard: 0, heldUs: 0, applied: 0, limitMs: 300, ageMs: 0 };
    const stamp = (road.time.now() + 1) * 1000 + 40_000_000_000;
    road.channels[0].onmessage({ data: emitReport({ ...beacon, stamp, pictureLimitMs }).buffer });
  };
  const armed = () => {
    road.drive.arm();
    const { phase, refused } = road.drive.status();
    return [phase, refused];
  };
  hears(800);
  assert.deepEqual(armed(), ['disarmed', 'unseen']);
  road.drive.sawPicture(40_000_000_000);
  await road.run(850);
  hears(800);
  assert.deepEqual(armed(), ['disarmed', 'unseen']);
  road.drive.sawPicture(40_900_000_000);
  assert.deepEqual(armed(), ['arming', null]);
});
