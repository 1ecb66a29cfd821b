// The operator's side of driving: sequence, echo of the device's stamps, repetition of arm and stop until
// they are acknowledged, and the figures. A value: no DOM, no timers, no channels; the twin of
// control/src/operator.
//
//   const operator = new Operator();
//   control.onmessage = reliable.onmessage = (event) =>
//     operator.handleMessage(performance.now(), new Uint8Array(event.data));
//   setInterval(() => {
//     const now = performance.now();
//     operator.drive(now, { linear: 0.5, angular: -0.1 });         // while a key is held
//     for (let out; (out = operator.pollTransmit(now)); ) {
//       (out.channel === 'control' ? control : reliable).send(out.bytes);
//     }
//   }, 20);
//   // buttons: operator.arm(now), operator.stop(now), operator.disarm(now), and pollTransmit at once
//
// All times are milliseconds of one monotonic clock, performance.now().
//
//   arm(now)              asks for an epoch; returns null, or why not: 'unheard' (no fresh report),
//                         'armed' (the device is, stop it first), 'stopping' (a stop waits for its answer),
//                         'emergency' (an emergency stop holds it, reset it first)
//   stop(now, reason)     'operator' (default), 'blind' or 'hidden'; repeated until acknowledged
//   emergency(now)        a stop that holds the device until a reset
//   reset(now)            ends that; returns as arm does, or 'no-emergency'
//   disarm(now)           the same in order, at the end of a drive
//   drive(now, axes)      fractions, -1 to 1: { linear, angular, pan, tilt, custom: [a, b, c, d] }, speeds all;
//                         to be called again within `inputHoldMs`, else zero is sent: a dead page must not
//                         hold a key
//   switchOutput(now, output, value, ms)   'lock', 'light', ...; repeated until answered, for two seconds; a
//                         press takes the place of the one before
//   sawPicture(stampUs)   the device's stamp of the picture on the screen, echoed for a blind stop
//   handleMessage(now, bytes)   returns the report, or null for what is none
//   handleClosed()        the channels are gone: the epoch is given up, nothing is repeated but a stop
//   takeLease(lease)      a lease was granted: the sequence begins anew, nothing of before counts
//   pollTransmit(now)     { channel: 'control'|'control-reliable', bytes } or null; call until null
//   pollTimeout(now)      when pollTransmit will have something; Infinity: not before the next message
//   status(now)           everything to show:
//     phase               'unheard', 'disarmed', 'stopped', 'emergency', 'arming', 'resetting', 'armed' (by
//                         us), 'foreign' (armed, not by us), 'stopping', 'disarming'
//     reason              why it is stopped: 'operator', 'stale', 'link-lost', 'agent-died', 'replaced',
//                         'blind', 'fault', 'shutdown', 'emergency', 'hidden', 'malformed', 'peer-closed',
//                         or null
//     refusal             why the last arm or reset came to nothing: 'stale', 'future', 'old', 'armed',
//                         'epoch', 'fault', 'latched', 'timeout', or null
//     pressed             the latest switch: { output, value, answer (null before one), waits }, or null
//     refused             why the device refused the latest setpoint, or null
//     speed               what the age of the picture leaves of the speed, in percent
//     pictureLimitMs      how old the picture may be; 0: none is asked for
//     epoch, lease        of the latest report; null before one
//     rttMs               round trip of commands, smoothed; null until measured
//     reportAgeMs         since the latest report; above `limitMs` nothing is fresh, so nothing moves
//     commandAgeMs        how old the latest setpoint's echo was when it reached the device
//     limitMs             the device's limit
//     telemetry           the latest telemetry report, or null
//     malformed           messages that were none

import { ALL_EPOCHS, FULL_SCALE, WireError, emitCommand, parseReport } from './wire.js';

const LAST_SEQ = 0xffffffff;
const REPEAT_STOP_MS = 50;
const REPEAT_ARM_MS = 150;
const ARM_WITHIN_MS = 2000;
const REPEAT_SWITCH_MS = 150;
const SWITCH_WITHIN_MS = 2000;
// A hand that moves is told at once, whenever the last setpoint left, but no faster than this.
const PROMPT_MS = 12;
const PING_EVERY_MS = 200;
// Sends that a beacon may still be about.
const SENT_KEPT = 128;
// No network reorders by this much: the device's clock began anew.
const RESTART_US = 5_000_000;
// Assumed until a beacon tells.
const LIMIT_MS = 300;

const STILL = { linear: 0, angular: 0, pan: 0, tilt: 0, custom: [0, 0, 0, 0] };
// The stronger end is not replaced by a weaker one.
const STRENGTH = { disarm: 0, stop: 1, emergency: 2 };

export class Operator {
  #intervalMs;
  #inputHoldMs;
  #lease;
  #relayed;
  #seq = 0;
  #sent = [];
  #echo = 0;
  #latest = null;
  #heardAt = -Infinity;
  #limitMs = LIMIT_MS;
  #epoch = null;
  #openedAt = 0;
  // The lease under which we armed last.
  #armedUnder = null;
  #arming = null;
  #ending = null;
  #refusal = null;
  #input = { at: -Infinity, axes: STILL };
  #picture = 0;
  #nextSetpoint = 0;
  // A change waits to be told; when one was told last.
  #prompted = false;
  #lastPrompt = -Infinity;
  #nextPing = 0;
  #out = [];
  #rttMs = null;
  #commandAgeMs = null;
  #telemetry = null;
  #press = 0;
  #pressed = null;
  #refused = null;
  #speed = 100;
  #pictureLimitMs = 0;
  #malformed = 0;

  // `lease`: the number of the lease, where the server told it. `relayed`: a server is between, which takes
  // from one who does not hold the lease nothing but arms and stops, so pings wait for an arm.
  constructor({ intervalMs = 33, inputHoldMs = 250, lease = 0, relayed = false } = {}) {
    this.#intervalMs = intervalMs;
    this.#inputHoldMs = inputHoldMs;
    this.#lease = lease;
    this.#relayed = relayed;
  }

  arm(now) {
    return this.#ask(now, 'arm');
  }

  reset(now) {
    return this.#ask(now, 'reset');
  }

  #ask(now, kind) {
    if (this.#ending) return 'stopping';
    if (!this.#latest || this.#age(now) > this.#limitMs) return 'unheard';
    if (this.#arming) return null;
    const { state, epoch } = this.#latest;
    if (state === 'armed') return 'armed';
    if (kind === 'arm' && state === 'emergency') return 'emergency';
    if (kind === 'reset' && state !== 'emergency') return 'no-emergency';
    this.#refusal = null;
    // Kept over all repetitions: one press opens one epoch at most.
    this.#arming = { kind, follows: epoch, firstSeq: null, until: now + ARM_WITHIN_MS, next: now };
    return null;
  }

  stop(now, reason = 'operator') {
    this.#end(now, 'stop', reason);
  }

  emergency(now) {
    this.#end(now, 'emergency');
  }

  disarm(now) {
    this.#end(now, 'disarm');
  }

  switchOutput(now, output, value, ms = 0) {
    this.#press += 1;
    const pressed = { press: this.#press, output, value, ms, answer: null, waits: true };
    this.#pressed = { ...pressed, firstSeq: null, lastSeq: null, until: now + SWITCH_WITHIN_MS, next: now };
  }

  drive(now, axes) {
    const former = scaled(this.#input.axes);
    this.#input = { at: now, axes: { ...STILL, ...axes } };
    if (sameAxes(former, scaled(this.#input.axes))) return;
    this.#prompted = true;
    this.#nextSetpoint = Math.min(this.#nextSetpoint, this.#lastPrompt + PROMPT_MS);
  }

  sawPicture(stampUs) {
    if (Number.isSafeInteger(stampUs) && stampUs > 0) this.#picture = stampUs;
  }

  handleMessage(now, bytes) {
    let report;
    try {
      report = parseReport(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      this.#malformed += 1;
      return null;
    }
    // The device began anew. A stop that it has not answered is still meant.
    if (report.stamp + RESTART_US < this.#echo) this.handleClosed();
    if (report.stamp >= this.#echo) this.#hear(now, report);
    if (report.kind === 'beacon') this.#measure(now, report);
    if (report.kind === 'ack') this.#settle(report);
    return report;
  }

  handleClosed() {
    // Who pressed Stop while the link was failing means it when there is one again.
    const stop = this.#ending && this.#ending.kind !== 'disarm' ? this.#ending : null;
    this.#forget();
    if (stop) this.#ending = { ...stop, epoch: ALL_EPOCHS, firstSeq: null };
  }

  takeLease(lease) {
    this.#forget();
    this.#lease = lease;
    this.#seq = 0;
  }

  pollTransmit(now) {
    if (this.#out.length > 0) return this.#out.shift();
    if (this.#ending) return this.#repeatEnd(now);
    const pressed = this.#repeatPress(now);
    if (pressed) return pressed;
    if (this.#arming) return this.#repeatArm(now) ?? this.#ping(now);
    if (this.#epoch !== null) return this.#setpoint(now);
    return this.#ping(now);
  }

  pollTimeout(now) {
    if (this.#out.length > 0) return now;
    if (this.#ending) return this.#ending.next;
    const press = this.#pressed?.waits ? Math.min(this.#pressed.next, this.#pressed.until) : Infinity;
    return Math.min(press, this.#driveTimeout(now));
  }

  #driveTimeout(now) {
    if (this.#arming) return Math.min(this.#arming.next, this.#arming.until);
    if (this.#epoch !== null) return this.#age(now) > this.#limitMs ? Infinity : this.#nextSetpoint;
    return this.#pings() ? this.#nextPing : Infinity;
  }

  status(now) {
    return {
      phase: this.#phase(),
      reason: this.#latest?.reason ?? null,
      refusal: this.#refusal,
      epoch: this.#latest?.epoch ?? null,
      lease: this.#latest?.lease ?? null,
      rttMs: this.#rttMs,
      reportAgeMs: this.#age(now),
      commandAgeMs: this.#commandAgeMs,
      limitMs: this.#limitMs,
      telemetry: this.#telemetry,
      pressed: this.#pressed && {
        output: this.#pressed.output,
        value: this.#pressed.value,
        answer: this.#pressed.answer,
        waits: this.#pressed.waits,
      },
      refused: this.#refused,
      speed: this.#speed,
      pictureLimitMs: this.#pictureLimitMs,
      malformed: this.#malformed,
    };
  }

  #phase() {
    if (this.#ending) return this.#ending.kind === 'disarm' ? 'disarming' : 'stopping';
    if (this.#arming) return this.#arming.kind === 'arm' ? 'arming' : 'resetting';
    if (!this.#latest) return 'unheard';
    if (this.#latest.state !== 'armed') return this.#latest.state;
    return this.#epoch === this.#latest.epoch ? 'armed' : 'foreign';
  }

  #age(now) {
    return now - this.#heardAt;
  }

  // A report that is at least as late as all before: its stamp is what commands echo from now on.
  #hear(now, report) {
    this.#echo = report.stamp;
    this.#latest = report;
    this.#heardAt = now;
    if (report.kind === 'telemetry') this.#telemetry = report;
    const open = report.state === 'armed' && report.epoch === this.#epoch;
    if (this.#epoch !== null && !open && report.stamp >= this.#openedAt) this.#epoch = null;
  }

  #measure(now, beacon) {
    this.#limitMs = beacon.limitMs;
    if (beacon.applied > 0) this.#commandAgeMs = beacon.ageMs;
    this.#refused = beacon.refused;
    this.#speed = beacon.speed;
    this.#pictureLimitMs = beacon.pictureLimitMs;
    if (this.#lease !== 0 && beacon.lease !== this.#lease) return;
    // After a reload the page goes on where its former self was. Through a server numbers begin anew with
    // every lease, and what the device heard may be anybody's.
    if (!this.#relayed) this.#seq = Math.max(this.#seq, beacon.heard);
    // What the device heard is somebody else's.
    if (!this.#pings()) return;
    const sent = this.#sent.find(({ seq }) => seq === beacon.heard);
    if (!sent) return;
    const rtt = now - sent.at - beacon.heldUs / 1000;
    if (rtt < 0) return;
    this.#rttMs = this.#rttMs === null ? rtt : this.#rttMs + (rtt - this.#rttMs) / 8;
  }

  #settle({ of, seq, result, lease, epoch, stamp }) {
    if (of === 'switch') {
      const pressed = this.#pressed;
      const ours = pressed?.waits && pressed.firstSeq !== null && pressed.firstSeq <= seq;
      if (!ours || seq > pressed.lastSeq) return;
      pressed.answer = result;
      // A fresh copy may have what a stale one had not.
      pressed.waits = result === 'stale' || result === 'received' || result === 'busy';
      return;
    }
    if (of === 'arm' || of === 'reset') {
      const arming = this.#arming;
      if (!arming || arming.kind !== of || arming.firstSeq === null || seq < arming.firstSeq) return;
      if (of === 'reset') {
        if (result !== 'done') this.#refusal = result;
        // What was stale, or overtaken, is said again.
        if (!['stale', 'future', 'old'].includes(result)) this.#arming = null;
        return;
      }
      if (result === 'done' && epoch === arming.follows + 1) {
        this.#arming = null;
        this.#epoch = epoch;
        this.#openedAt = stamp;
        this.#armedUnder = lease;
        // What was held before the device was armed does not count.
        this.#input = { at: -Infinity, axes: STILL };
        this.#nextSetpoint = 0;
        // The answer may have been overtaken by news of the end.
        if (this.#echo > stamp && (this.#latest.state !== 'armed' || this.#latest.epoch !== epoch)) {
          this.#epoch = null;
        }
      } else if (['armed', 'epoch', 'fault', 'latched'].includes(result)) {
        this.#arming = null;
        this.#refusal = result;
      } else {
        this.#refusal = result;
      }
      return;
    }
    if (this.#ending?.kind === of && seq >= this.#ending.firstSeq) this.#ending = null;
  }

  #end(now, kind, reason) {
    // One that is not acknowledged yet and is the stronger stays.
    if (this.#ending && STRENGTH[this.#ending.kind] > STRENGTH[kind]) return;
    const again = this.#ending?.kind === kind;
    this.#arming = null;
    this.#epoch = null;
    this.#input = { at: -Infinity, axes: STILL };
    if (again) {
      this.#ending.next = now;
      return;
    }
    const epoch = this.#latest?.epoch ?? ALL_EPOCHS;
    this.#ending = { kind, reason, epoch, firstSeq: null, next: now };
  }

  #repeatEnd(now) {
    const ending = this.#ending;
    if (now < ending.next) return null;
    ending.next = now + REPEAT_STOP_MS;
    const { kind, epoch, reason } = ending;
    const bytes = this.#emit(now, { kind, epoch, reason });
    if (ending.firstSeq === null) {
      ending.firstSeq = this.#seq;
      this.#out.push({ channel: 'control-reliable', bytes });
    }
    return { channel: 'control', bytes };
  }

  #repeatArm(now) {
    const arming = this.#arming;
    if (now >= arming.until) {
      this.#arming = null;
      this.#refusal ??= 'timeout';
      return null;
    }
    if (now < arming.next) return null;
    arming.next = now + REPEAT_ARM_MS;
    const { kind, follows } = arming;
    const bytes = this.#emit(now, { kind, follows, epoch: follows, echo: this.#echo });
    const first = arming.firstSeq === null;
    if (first) arming.firstSeq = this.#seq;
    // A repetition must not wait behind what the ordered channel retransmits.
    return { channel: first ? 'control-reliable' : 'control', bytes };
  }

  #repeatPress(now) {
    const pressed = this.#pressed;
    if (!pressed?.waits) return null;
    if (now >= pressed.until) {
      pressed.waits = false;
      return null;
    }
    if (now < pressed.next) return null;
    pressed.next = now + REPEAT_SWITCH_MS;
    const { press, output, value, ms } = pressed;
    const bytes = this.#emit(now, { kind: 'switch', press, echo: this.#echo, output, value, ms });
    const first = pressed.firstSeq === null;
    pressed.firstSeq ??= this.#seq;
    pressed.lastSeq = this.#seq;
    return { channel: first ? 'control-reliable' : 'control', bytes };
  }

  #setpoint(now) {
    // Nothing fresh can be said without a fresh report.
    if (now < this.#nextSetpoint || this.#age(now) > this.#limitMs) return null;
    this.#nextSetpoint = now + this.#intervalMs;
    if (this.#prompted) this.#lastPrompt = now;
    this.#prompted = false;
    const held = now - this.#input.at <= this.#inputHoldMs;
    const axes = scaled(held ? this.#input.axes : STILL);
    const setpoint = { kind: 'setpoint', epoch: this.#epoch, echo: this.#echo, picture: this.#picture, axes };
    return { channel: 'control', bytes: this.#emit(now, setpoint) };
  }

  #ping(now) {
    if (!this.#pings() || now < this.#nextPing) return null;
    this.#nextPing = now + PING_EVERY_MS;
    return { channel: 'control', bytes: this.#emit(now, { kind: 'ping' }) };
  }

  #pings() {
    return this.#latest !== null && (!this.#relayed || this.#latest.lease === this.#armedUnder);
  }

  #emit(now, command) {
    this.#seq = Math.min(this.#seq + 1, LAST_SEQ);
    this.#sent.push({ seq: this.#seq, at: now });
    if (this.#sent.length > SENT_KEPT) this.#sent.shift();
    return emitCommand({ lease: this.#lease, seq: this.#seq, ...command });
  }

  #forget() {
    this.#echo = 0;
    this.#latest = null;
    this.#heardAt = -Infinity;
    this.#epoch = null;
    this.#armedUnder = null;
    this.#arming = null;
    this.#ending = null;
    this.#sent = [];
    this.#rttMs = null;
    this.#picture = 0;
    // What was pressed then is not to happen later.
    this.#pressed = null;
    this.#refused = null;
    this.#speed = 100;
    this.#out = [];
  }
}

function scaled({ linear, angular, pan, tilt, custom = [] }) {
  const more = [0, 1, 2, 3].map((at) => raw(custom[at]));
  return { linear: raw(linear), angular: raw(angular), pan: raw(pan), tilt: raw(tilt), custom: more };
}

function sameAxes(one, other) {
  const all = ({ linear, angular, pan, tilt, custom }) => [linear, angular, pan, tilt, ...custom];
  const others = all(other);
  return all(one).every((axis, at) => axis === others[at]);
}

function raw(fraction) {
  const cut = Math.max(-1, Math.min(1, Number(fraction) || 0));
  return Math.sign(cut) * Math.round(Math.abs(cut) * FULL_SCALE);
}
