// The binary form of commands and reports: the twin of control/src/wire, held to the same test vectors.
//
//   channel.send(emitCommand({ kind: 'stop', seq: 4, epoch: 17, reason: 'operator' }));
//   const report = parseReport(new Uint8Array(event.data));   // binaryType = 'arraybuffer'
//
// Commands (operator to device); source and lease may be left out, the server fills them in:
//   { kind: 'setpoint', source, lease, seq, epoch, echo, picture, axes }
//   { kind: 'arm', source, lease, seq, follows, echo }
//   { kind: 'disarm', source, lease, seq, epoch }
//   { kind: 'stop', source, lease, seq, epoch, reason: 'operator'|'link-lost'|'replaced'|'blind'|'hidden' }
//   { kind: 'ping', source, lease, seq }
//   { kind: 'emergency', source, lease, seq, epoch }
//   { kind: 'reset', source, lease, seq, epoch, echo }
//   { kind: 'switch', source, lease, seq, press, echo, output, value, ms }
//     output: 'lock', 'light', 'chime', 'horn', 'user0' to 'user127'
// Reports (device to operator); each has
//   state: 'disarmed'|'armed'|'stopped'|'emergency', reason (null unless stopped), lease, epoch,
//   stamp (the device's clock in microseconds), and
//   { kind: 'beacon', heard, heldUs, applied, limitMs, ageMs, refused, speed, pictureLimitMs }
//     refused: why the latest setpoint was ('void'|'old'|'stale'|'future'|'blind'), or null
//   { kind: 'ack', seq, of: 'arm'|'disarm'|'stop'|'emergency'|'reset'|'switch', result }
//   { kind: 'telemetry', axes, xMm, yMm, headingMrad, batteryMv, rangeMm, temperatures, panMrad, tiltMrad,
//     user, applied, counts: { applied, stale, old, void, refused, stops } }
//     temperatures: two, in tenths of a degree, or null; user: four numbers
// and a picture that was sent: { kind: 'picture', rtp, captured }
// Axes are { linear, angular, pan, tilt, custom: [a, b, c, d] } in 32767ths of full scale.
//
// Parsing throws a WireError whose `code` names what is wrong: length, version, kind, reserved, stamp,
// axis, epoch, state, reason, result, output, refusal, percent, heading. Emitting throws a RangeError where a value does not fit.

export const VERSION = 1;
// In a disarm or stop: whatever the epoch is.
export const ALL_EPOCHS = 0xffffffff;
export const FULL_SCALE = 32767;

const COMMANDS = {
  setpoint: [1, 52],
  arm: [2, 28],
  disarm: [3, 20],
  stop: [4, 24],
  ping: [5, 20],
  emergency: [6, 20],
  reset: [7, 28],
  switch: [8, 36],
};
const REPORTS = { beacon: [129, 40], ack: [130, 28], telemetry: [131, 104] };
const PICTURES = { picture: [132, 16] };
const STATES = ['disarmed', 'armed', 'stopped', 'emergency'];
const REASONS = [
  null, 'operator', 'stale', 'link-lost', 'agent-died', 'replaced', 'blind', 'fault', 'shutdown',
  'emergency', 'hidden', 'malformed', 'peer-closed',
];
// The others are the device's own findings.
const SENT_REASONS = ['operator', 'link-lost', 'replaced', 'blind', 'hidden'];
const RESULTS = [
  'done', 'stale', 'future', 'old', 'armed', 'epoch', 'fault', 'latched', 'absent', 'received', 'busy',
];
const REFUSED = [null, 'void', 'old', 'stale', 'future', 'blind'];
const ANSWERED = ['arm', 'disarm', 'stop', 'emergency', 'reset', 'switch'];
const OUTPUTS = new Map([[1, 'lock'], [2, 'light'], [3, 'chime'], [4, 'horn']]);
for (let number = 0; number < 128; number += 1) OUTPUTS.set(128 + number, `user${number}`);
// What each command has in the place of its epoch.
const EPOCHS = { arm: 'follows', switch: 'press' };
const UNKNOWN_TEMPERATURE = -32768;
const COUNTS = ['applied', 'stale', 'old', 'void', 'refused', 'stops'];
const HALF_TURN_MRAD = 3142;

export class WireError extends Error {
  constructor(code, value = '') {
    super(`no message of control: ${code} ${value}`.trimEnd());
    this.name = 'WireError';
    this.code = code;
  }
}

export function parseCommand(bytes) {
  const reader = new Reader(bytes);
  const kind = reader.kind(COMMANDS);
  reader.reserved(2);
  const command = { kind, source: reader.u32(), lease: reader.u32(), seq: reader.u32() };
  const epoch = reader.u32();
  const real = () => (epoch === ALL_EPOCHS ? refuse('epoch') : epoch);
  switch (kind) {
    case 'setpoint':
      return {
        ...command,
        epoch: real(),
        echo: reader.stamp(),
        picture: reader.stamp(),
        axes: reader.axes(),
      };
    case 'arm':
      return { ...command, follows: real(), echo: reader.stamp() };
    case 'reset':
      return { ...command, epoch: real(), echo: reader.stamp() };
    case 'switch': {
      const echo = reader.stamp();
      const code = reader.u8();
      const output = OUTPUTS.get(code) ?? refuse('output', code);
      reader.reserved(1);
      const switched = { ...command, press: epoch, echo, output, value: reader.u16(), ms: reader.u16() };
      reader.reserved(2);
      return switched;
    }
    case 'stop': {
      const code = reader.u8();
      const reason = REASONS[code];
      if (!SENT_REASONS.includes(reason)) refuse('reason', code);
      reader.reserved(3);
      return { ...command, epoch, reason };
    }
    case 'disarm':
    case 'emergency':
      return { ...command, epoch };
    default:
      return epoch === 0 ? command : refuse('epoch');
  }
}

export function emitCommand(command) {
  const writer = new Writer(command.kind, COMMANDS);
  writer.bytes(0, 0);
  writer.u32(command.source ?? 0);
  writer.u32(command.lease ?? 0);
  writer.u32(command.seq);
  const epoch = command.kind === 'ping' ? 0 : command[EPOCHS[command.kind] ?? 'epoch'];
  writer.u32(epoch);
  if (['setpoint', 'arm', 'reset'].includes(command.kind) && epoch === ALL_EPOCHS) {
    throw new RangeError('no such epoch');
  }
  if ('echo' in command) writer.stamp(command.echo);
  if (command.kind === 'setpoint') {
    writer.stamp(command.picture ?? 0);
    writer.axes(command.axes);
  }
  if (command.kind === 'stop') {
    writer.bytes(code(SENT_REASONS.includes(command.reason) ? REASONS : [], command.reason), 0, 0, 0);
  }
  if (command.kind === 'switch') {
    const [output] = [...OUTPUTS].find(([, name]) => name === command.output) ?? [];
    writer.bytes(output, 0);
    writer.u16(command.value);
    writer.u16(command.ms ?? 0);
  }
  return writer.done();
}

export function parseReport(bytes) {
  const reader = new Reader(bytes);
  const kind = reader.kind(REPORTS);
  const stateCode = reader.u8();
  const reasonCode = reader.u8();
  const state = STATES[stateCode] ?? refuse('state', stateCode);
  const reason = REASONS[reasonCode];
  const fits = { stopped: reason !== null && reason !== 'emergency', emergency: reason === 'emergency' };
  if (reason === undefined || !(fits[state] ?? reason === null)) refuse('reason', reasonCode);
  const report = { kind, state, reason, lease: reader.u32(), epoch: reader.u32(), stamp: reader.stamp() };
  switch (kind) {
    case 'beacon':
      return {
        ...report,
        heard: reader.u32(),
        heldUs: reader.u32(),
        applied: reader.u32(),
        limitMs: reader.u16(),
        ageMs: reader.u16(),
        refused: reader.named(REFUSED, 'refusal'),
        speed: reader.percent(),
        pictureLimitMs: reader.u16(),
      };
    case 'ack': {
      const seq = reader.u32();
      const kindCode = reader.u8();
      const of = ANSWERED.find((name) => COMMANDS[name][0] === kindCode) ?? refuse('kind', kindCode);
      const result = reader.named(RESULTS, 'result');
      reader.reserved(2);
      return { ...report, seq, of, result };
    }
    default: {
      const axes = reader.axes();
      const xMm = reader.i32();
      const yMm = reader.i32();
      const headingMrad = reader.i16();
      if (Math.abs(headingMrad) > HALF_TURN_MRAD) refuse('heading', headingMrad);
      const batteryMv = reader.u16();
      const rangeMm = reader.u16();
      const temperatures = [reader.temperature(), reader.temperature()];
      const panMrad = reader.i16();
      const tiltMrad = reader.i16();
      reader.reserved(2);
      const user = [reader.i32(), reader.i32(), reader.i32(), reader.i32()];
      const applied = reader.u32();
      const counts = Object.fromEntries(COUNTS.map((name) => [name, reader.u32()]));
      return {
        ...report, axes, xMm, yMm, headingMrad, batteryMv, rangeMm, temperatures, panMrad, tiltMrad, user,
        applied, counts,
      };
    }
  }
}

// Whether it says that it is a picture: whether parsePicture is the reader to ask.
export function isPicture(bytes) {
  return bytes[1] === PICTURES.picture[0];
}

export function parsePicture(bytes) {
  const reader = new Reader(bytes);
  const kind = reader.kind(PICTURES);
  reader.reserved(2);
  return { kind, rtp: reader.u32(), captured: reader.stamp() };
}

export function emitPicture({ rtp, captured }) {
  const writer = new Writer('picture', PICTURES);
  writer.bytes(0, 0);
  writer.u32(rtp);
  writer.stamp(captured);
  return writer.done();
}

// The device's side, for bridges and tests; what was added later may be left out.
export function emitReport(report) {
  const writer = new Writer(report.kind, REPORTS);
  writer.bytes(code(STATES, report.state), code(REASONS, report.reason));
  writer.u32(report.lease);
  writer.u32(report.epoch);
  writer.stamp(report.stamp);
  if (report.kind === 'beacon') {
    writer.u32(report.heard);
    writer.u32(report.heldUs);
    writer.u32(report.applied);
    writer.u16(report.limitMs);
    writer.u16(report.ageMs);
    writer.bytes(code(REFUSED, report.refused ?? null), report.speed ?? 100);
    writer.u16(report.pictureLimitMs ?? 0);
  } else if (report.kind === 'ack') {
    writer.u32(report.seq);
    writer.bytes(COMMANDS[report.of][0], code(RESULTS, report.result), 0, 0);
  } else {
    writer.axes(report.axes);
    writer.i32(report.xMm);
    writer.i32(report.yMm);
    writer.i16(report.headingMrad, HALF_TURN_MRAD);
    writer.u16(report.batteryMv);
    writer.u16(report.rangeMm ?? 0);
    for (const tenths of report.temperatures ?? [null, null]) writer.i16(tenths ?? UNKNOWN_TEMPERATURE, 0x8000);
    writer.i16(report.panMrad ?? 0, 0x8000);
    writer.i16(report.tiltMrad ?? 0, 0x8000);
    writer.bytes(0, 0);
    for (const number of report.user ?? [0, 0, 0, 0]) writer.i32(number);
    writer.u32(report.applied);
    for (const name of COUNTS) writer.u32(report.counts[name]);
  }
  return writer.done();
}

function refuse(code, value) {
  throw new WireError(code, value);
}

function code(names, name) {
  const at = names.indexOf(name);
  if (at < 0) throw new RangeError(`${name} cannot be said here`);
  return at;
}

class Reader {
  #view;
  #at = 0;

  constructor(bytes) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  // Version, kind and length; what follows cannot read past the end.
  kind(kinds) {
    if (this.#view.byteLength < 1) refuse('length', 0);
    const version = this.u8();
    if (version !== VERSION) refuse('version', version);
    if (this.#view.byteLength < 2) refuse('length', this.#view.byteLength);
    const byte = this.u8();
    const found = Object.entries(kinds).find(([, [number]]) => number === byte);
    const [name, [, length]] = found ?? refuse('kind', byte);
    if (this.#view.byteLength !== length) refuse('length', this.#view.byteLength);
    return name;
  }

  #step(size) {
    const at = this.#at;
    this.#at += size;
    return at;
  }

  u8() {
    return this.#view.getUint8(this.#step(1));
  }

  u16() {
    return this.#view.getUint16(this.#step(2));
  }

  u32() {
    return this.#view.getUint32(this.#step(4));
  }

  i16() {
    return this.#view.getInt16(this.#step(2));
  }

  i32() {
    return this.#view.getInt32(this.#step(4));
  }

  stamp() {
    const micros = this.#view.getBigUint64(this.#step(8));
    return micros > BigInt(Number.MAX_SAFE_INTEGER) ? refuse('stamp') : Number(micros);
  }

  axis() {
    const raw = this.i16();
    return raw < -FULL_SCALE ? refuse('axis') : raw;
  }

  axes() {
    return {
      linear: this.axis(),
      angular: this.axis(),
      pan: this.axis(),
      tilt: this.axis(),
      custom: [this.axis(), this.axis(), this.axis(), this.axis()],
    };
  }

  named(names, what) {
    const code = this.u8();
    return names[code] === undefined ? refuse(what, code) : names[code];
  }

  percent() {
    const percent = this.u8();
    return percent > 100 ? refuse('percent', percent) : percent;
  }

  temperature() {
    const tenths = this.i16();
    return tenths === UNKNOWN_TEMPERATURE ? null : tenths;
  }

  reserved(size) {
    for (let left = size; left > 0; left -= 1) {
      if (this.u8() !== 0) refuse('reserved');
    }
  }
}

class Writer {
  #view;
  #at = 0;

  constructor(kind, kinds) {
    const [byte, length] = kinds[kind] ?? refuse('kind', kind);
    this.#view = new DataView(new ArrayBuffer(length));
    this.bytes(VERSION, byte);
  }

  done() {
    return new Uint8Array(this.#view.buffer);
  }

  #step(size) {
    const at = this.#at;
    this.#at += size;
    return at;
  }

  bytes(...values) {
    for (const value of values) this.#view.setUint8(this.#step(1), whole(value, 0, 0xff));
  }

  u16(value) {
    this.#view.setUint16(this.#step(2), whole(value, 0, 0xffff));
  }

  u32(value) {
    this.#view.setUint32(this.#step(4), whole(value, 0, 0xffffffff));
  }

  i16(value, most) {
    this.#view.setInt16(this.#step(2), whole(value, -most, Math.min(most, 0x7fff)));
  }

  i32(value) {
    this.#view.setInt32(this.#step(4), whole(value, -0x80000000, 0x7fffffff));
  }

  stamp(value) {
    this.#view.setBigUint64(this.#step(8), BigInt(whole(value, 0, Number.MAX_SAFE_INTEGER)));
  }

  axes({ linear = 0, angular = 0, pan = 0, tilt = 0, custom = [0, 0, 0, 0] }) {
    const [a, b, c, d] = custom;
    for (const raw of [linear, angular, pan, tilt, a, b, c, d]) this.i16(raw, FULL_SCALE);
  }
}

function whole(value, least, most) {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new RangeError(`${value} is no whole number from ${least} to ${most}`);
  }
  return value;
}
