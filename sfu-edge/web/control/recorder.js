// Writes a drive into a SessionLog: what left, what came, what was shown, and how that went.

import { SessionLog } from './session-log.js';
import { SYSTEM } from './time.js';

const LATENCY_EVERY_MS = 1000;

export class Recorder {
  #log;
  #time;
  #phase = null;
  #lease = null;
  #dropped = 0;
  #latencyAt = -Infinity;

  constructor({ log = new SessionLog(), time = SYSTEM } = {}) {
    this.#log = log;
    this.#time = time;
  }

  get log() {
    return this.#log;
  }

  sent(now, command, channel) {
    const { axes, ...rest } = command;
    // The server fills these in.
    delete rest.source;
    if (rest.lease === 0) delete rest.lease;
    this.#log.note(now, 'sent', { channel, ...rest, ...(axes && { axes: list(axes) }) });
  }

  heard(now, report) {
    const { axes, reason, ...rest } = report;
    this.#log.note(now, 'heard', { ...rest, ...(reason && { reason }), ...(axes && { axes: list(axes) }) });
  }

  shown(at, { stampUs, ageMs }) {
    this.#log.note(at, 'shown', { stamp: stampUs, age_ms: tenths(ageMs) });
  }

  looped({ seq, ms, sentAt, shownAt, appliedUs, stampUs }) {
    this.#log.note(shownAt, 'loop', { seq, ms: tenths(ms), sent: tenths(sentAt), applied: Math.round(appliedUs), stamp: stampUs });
  }

  // The player's.
  picture(state) {
    this.#log.note(this.#time.now(), 'picture', { state });
  }

  // What changed in a drive's status.
  status({ phase, reason, refused, lease, drives, dropped }) {
    const now = this.#time.now();
    const words = JSON.stringify([phase, reason, refused]);
    if (words !== this.#phase) this.#log.note(now, 'phase', { phase, reason, refused });
    const held = JSON.stringify([lease, drives]);
    if (lease !== null && held !== this.#lease) this.#log.note(now, 'lease', { lease, ours: drives });
    if (dropped !== this.#dropped) this.#log.note(now, 'dropped', { messages: dropped });
    [this.#phase, this.#lease, this.#dropped] = [words, held, dropped];
  }

  figures(figures) {
    const now = this.#time.now();
    if (now - this.#latencyAt < LATENCY_EVERY_MS) return;
    this.#latencyAt = now;
    const known = Object.entries(figures).filter(([, spread]) => spread !== null);
    if (known.length === 0) return;
    this.#log.note(now, 'latency', Object.fromEntries(known.map(([name, { p50, p99 }]) => [name, [tenths(p50), tenths(p99)]])));
  }
}

function list(axes) {
  return Object.values(axes).flat();
}

function tenths(ms) {
  return ms === null ? null : Math.round(ms * 10) / 10;
}
