// How long everything takes, of a drive: what left, what came back and what was shown go in, the middle and the
// tail of each come out. A value: no DOM; all times are milliseconds of performance.now().
//
//   sent(now, command)     as the wire has it
//   heard(now, report)
//   shown(at, timestamp)   a picture with this RTP timestamp lights up at `at`; returns { stampUs, ageMs }, the
//                          device's stamp of its capture and how old it is then, or null where that is not known
//   closed()               the connection is gone: what was under way is no more
//   pollLoop()             a closed loop that was measured (closed-loop.js), or null
//   figures()              each { p50, p99, count } in milliseconds, or null:
//     roundTrip            command there, report back, without what the device waited in between
//     commandAge           how old the device's own stamp was in a setpoint when it came: way there, way back and
//                          what either end waited
//     ack                  from an arm, disarm or stop to its answer
//     picture              from the capture of a picture to when it is on the screen
//     loop                 from a change of what is driven to the first picture of the time when it was applied

import { ClosedLoop } from './closed-loop.js';
import { DeviceClock } from './device-clock.js';
import { Pictures } from './pictures.js';
import { Spread } from './spread.js';

// Commands that an answer may still be about: three seconds of driving.
const SENT_KEPT = 150;
const TWICE_MS = 1000;
// After this a device has stopped by itself: no limit of age is above 2 s.
const ANSWERED_WITHIN_MS = 3000;

export class Latencies {
  #clock = new DeviceClock();
  #pictures = new Pictures();
  #loop = new ClosedLoop();
  // When commands left, by their number.
  #sent = new Map();
  #applied = 0;
  #spreads = { roundTrip: new Spread(), commandAge: new Spread(), ack: new Spread(), picture: new Spread(), loop: new Spread() };
  #done = [];

  sent(now, { kind, seq, axes }) {
    // A stop goes by two channels; under another lease numbers begin anew.
    if (!(now - this.#sent.get(seq) < TWICE_MS)) {
      this.#sent.delete(seq);
      this.#sent.set(seq, now);
    }
    if (this.#sent.size > SENT_KEPT) this.#sent.delete(this.#sent.keys().next().value);
    if (kind === 'setpoint') this.#loop.sent(now, seq, axes);
    else if (kind !== 'ping') this.#loop.forget();
  }

  heard(now, report) {
    if (report.kind === 'picture') return this.#pictures.tell(report);
    this.#clock.heard(now, report.stamp);
    if (report.kind === 'beacon') this.#measure(now, report);
    if (report.kind === 'ack') {
      this.#spreads.ack.add(now - this.#sent.get(report.seq));
      this.#sent.delete(report.seq);
    }
    return undefined;
  }

  shown(at, timestamp) {
    const stampUs = this.#pictures.stampOf(timestamp);
    if (stampUs === null) return null;
    const device = this.#clock.at(at);
    // Before a report has come quickly, the device's clock is taken to be slower than it is.
    const ageMs = device === null ? null : Math.max(0, device - stampUs / 1000);
    if (ageMs !== null) this.#spreads.picture.add(ageMs);
    this.#loop.shown(stampUs, at);
    this.#collect();
    return { stampUs, ageMs };
  }

  closed() {
    this.#clock = new DeviceClock();
    this.#pictures.forget();
    this.#loop.forget();
    this.#sent.clear();
    this.#applied = 0;
  }

  pollLoop() {
    return this.#done.shift() ?? null;
  }

  figures() {
    return Object.fromEntries(Object.entries(this.#spreads).map(([name, spread]) => [name, spread.figures()]));
  }

  #measure(now, beacon) {
    const { heard, heldUs, applied, ageMs } = beacon;
    // Numbers are those of a lease: what we did not send is somebody else's.
    const since = this.#sent.get(heard);
    if (since === undefined) return;
    const roundTrip = now - since - heldUs / 1000;
    // A number that another operator had as well.
    if (roundTrip < 0 || roundTrip > ANSWERED_WITHIN_MS) return;
    this.#clock.wentRound(now, roundTrip);
    this.#spreads.roundTrip.add(roundTrip);
    if (applied !== 0 && applied !== this.#applied) this.#spreads.commandAge.add(ageMs);
    this.#applied = applied;
    this.#loop.heard(beacon, (seq) => this.#sent.get(seq));
    this.#collect();
  }

  #collect() {
    for (let loop; (loop = this.#loop.poll()); ) {
      this.#spreads.loop.add(loop.ms);
      if (this.#done.length < SENT_KEPT) this.#done.push(loop);
    }
  }
}
