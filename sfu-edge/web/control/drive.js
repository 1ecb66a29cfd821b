// Driving over a peer's data channels: the channels, the timer and the hands on one side, the Operator on
// the other. No DOM.
//
//   const drive = new Drive({ hands: [joystick, keys] });   // the first whose `axes` is not null steers
//   // observers: [{ sent(now, command, channel), heard(now, report), closed() }], what each likes to be told
//   drive.allow(true);                       // the token has the drive scope; else it listens only
//   drive.open(peer);                        // before the peer's offer
//   drive.addEventListener('change', () => show(drive.status()));
//   drive.arm(); drive.stop(); drive.disarm();
//   drive.emergency(); drive.reset();        // a stop that holds until it is reset
//   drive.switchOutput('light', 1);          // what does not drive; see Operator
//   drive.steer();                           // a hand's axes have changed
//   drive.see(false);                        // there is no picture now: nobody drives blind
//   drive.sawPicture(stampUs);               // the device's stamp of the picture on the screen
//   drive.release();                         // hands off
//   drive.leave('hidden');                   // nobody looks any more: zero, and stop what we drive
//   drive.request('ask');                    // about the lease: see lease.js, as of present and absent
//   drive.present(); drive.absent();
//
// status() is the Operator's, and
//   linked      both channels are open
//   mayDrive    as allowed
//   drives      armed by us, or about to be
//   refused     why the last press of arm came to nothing: a refusal, what arm() returned, or 'unseen', 'held'; or null
//   letGo       armed, but what was held before does not count: hands off first
//   axes        what the hands say, { linear, angular }
//   dropped     messages that found no room in a channel
//   holding     who holds the lease: lease.js's status

import { Lease } from './lease.js';
import { Operator } from './operator.js';
import { SYSTEM } from './time.js';
import { WireError, isPicture, parseCommand, parsePicture } from './wire.js';

const INTERVAL_MS = 20;
// A status that nobody asks for is still due now and then: reports grow old.
const LOOK_EVERY_MS = 100;
// Bytes that may wait in a channel. What waits there is old; stops go by both channels and are repeated.
const MOST_WAITING = { control: 256, 'control-reliable': 4096 };
const STILL = { linear: 0, angular: 0 };

export class Drive extends EventTarget {
  #operator = new Operator({ intervalMs: INTERVAL_MS, relayed: true });
  #lease = new Lease();
  #hands;
  #observers;
  #time;
  #link = null;
  #mayDrive = false;
  #sees = true;
  // When a picture with a stamp was on the screen.
  #pictureAt = -Infinity;
  #phase = 'unheard';
  #letGo = false;
  #refused = null;
  #dropped = 0;
  #callOff = () => {};

  constructor({ hands = [], observers = [], time = SYSTEM } = {}) {
    super();
    this.#hands = hands;
    this.#observers = observers;
    this.#time = time;
  }

  allow(mayDrive) {
    this.#mayDrive = mayDrive;
    this.#turn();
  }

  // Offers the channels with this peer; those of the former are given up.
  open(peer) {
    this.close();
    const link = {
      control: peer.createDataChannel('control', { ordered: false, maxRetransmits: 0 }),
      'control-reliable': peer.createDataChannel('control-reliable', { ordered: true }),
    };
    this.#link = link;
    for (const channel of Object.values(link)) {
      channel.binaryType = 'arraybuffer';
      channel.onopen = () => link === this.#link && this.#turn();
      channel.onmessage = ({ data }) => link === this.#link && this.#hear(data);
      channel.onclose = () => link === this.#link && this.close();
    }
  }

  close() {
    if (!this.#link) return;
    this.#link = null;
    this.#operator.handleClosed();
    this.#lease.close();
    this.#observe('closed');
    this.#turn();
  }

  // Whether there is a picture of now; true until told otherwise.
  see(sees) {
    this.#sees = sees;
    if (sees || !this.status().drives) return;
    this.#operator.stop(this.#time.now(), 'blind');
    this.release();
  }

  sawPicture(stampUs) {
    this.#pictureAt = this.#time.now();
    this.#operator.sawPicture(stampUs);
  }

  arm() {
    if (!this.#mayDrive) return;
    const now = this.#time.now();
    // Who drives shows by itself; who only holds it does not.
    const held = this.#lease.isElsewhere && this.#operator.status(now).phase !== 'foreign';
    this.#refused = this.#isBlind(now) ? 'unseen' : held ? 'held' : this.#operator.arm(now);
    this.#turn();
  }

  // `reason`: 'operator', or 'hidden'.
  stop(reason = 'operator') {
    if (!this.#mayDrive) return;
    this.#refused = null;
    this.#operator.stop(this.#time.now(), reason);
    this.#turn();
  }

  disarm() {
    if (!this.#mayDrive) return;
    this.#operator.disarm(this.#time.now());
    this.#turn();
  }

  emergency() {
    if (!this.#mayDrive) return;
    this.#refused = null;
    this.#operator.emergency(this.#time.now());
    this.#turn();
  }

  // It moves nothing, so it asks for no picture.
  reset() {
    if (!this.#mayDrive) return;
    this.#refused = this.#operator.reset(this.#time.now());
    this.#turn();
  }

  switchOutput(output, value, ms = 0) {
    if (!this.#mayDrive || !this.#isOpen()) return;
    this.#operator.switchOutput(this.#time.now(), output, value, ms);
    this.#turn();
  }

  // Asks the server for the lease, or answers who asks.
  request(action) {
    if (!this.#mayDrive || !this.#isOpen()) return;
    this.#lease.request(this.#time.now(), action);
    this.#turn();
  }

  // Somebody minds the page, or nobody does: then the lease is not kept.
  present() {
    this.#lease.present(this.#time.now());
  }

  absent() {
    this.#lease.leave(this.#time.now());
  }

  steer() {
    this.#turn();
  }

  // What the hands hold is let go.
  release() {
    for (const hand of this.#hands) hand.release();
    this.#turn();
  }

  leave(reason = 'operator') {
    this.release();
    // What somebody else drives goes on: that one looks.
    if (this.status().drives) this.stop(reason);
  }

  status() {
    const status = this.#operator.status(this.#time.now());
    return {
      ...status,
      linked: this.#isOpen(),
      mayDrive: this.#mayDrive,
      drives: status.phase === 'arming' || status.phase === 'armed',
      refused: this.#refused,
      letGo: status.phase === 'armed' && this.#letGo,
      axes: this.#axes() ?? STILL,
      dropped: this.#dropped,
      holding: this.#lease.status(this.#time.now()),
    };
  }

  // A device that asks for a picture would stop for want of one.
  #isBlind(now) {
    const { pictureLimitMs } = this.#operator.status(now);
    return !this.#sees || (pictureLimitMs > 0 && now - this.#pictureAt > pictureLimitMs);
  }

  #hear(data) {
    if (!(data instanceof ArrayBuffer)) return;
    const [now, bytes] = [this.#time.now(), new Uint8Array(data)];
    // No news of the device: it is its main process that says so.
    if (isPicture(bytes)) return this.#hearPicture(now, bytes);
    if (this.#lease.handleMessage(now, bytes) === false) {
      const report = this.#operator.handleMessage(now, bytes);
      if (report) this.#observe('heard', now, report);
    }
    return this.#turn();
  }

  #hearPicture(now, bytes) {
    try {
      this.#observe('heard', now, parsePicture(bytes));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  }

  // All that there is to do now; and when to come back.
  #turn() {
    this.#callOff();
    const now = this.#time.now();
    this.#look(now);
    if (this.#isOpen() && this.#mayDrive) {
      const axes = this.#axes();
      if (axes === null) this.#letGo = false;
      else this.#lease.present(now);
      this.#operator.drive(now, this.#letGo ? STILL : (axes ?? STILL));
      for (let out; (out = this.#operator.pollTransmit(now)); ) this.#command(now, out);
      for (let bytes; (bytes = this.#lease.pollTransmit(now)); ) this.#send({ channel: 'control-reliable', bytes });
      this.#look(now);
    }
    const due = this.#isOpen() ? this.#operator.pollTimeout(now) - now : LOOK_EVERY_MS;
    this.#callOff = this.#link ? this.#time.after(Math.max(1, Math.min(due, LOOK_EVERY_MS)), () => this.#turn()) : () => {};
    this.dispatchEvent(new Event('change'));
  }

  // What a change of phase means here.
  #look(now) {
    const { phase, refusal } = this.#operator.status(now);
    if (phase === this.#phase) return;
    if (phase === 'armed') this.#letGo = true;
    if (phase === 'arming' || phase === 'armed') this.#refused = null;
    else if (this.#phase === 'arming' && phase !== 'stopping') this.#refused = refusal;
    this.#phase = phase;
  }

  #axes() {
    for (const { axes } of this.#hands) if (axes !== null) return axes;
    return null;
  }

  #isOpen() {
    return this.#link !== null && Object.values(this.#link).every(({ readyState }) => readyState === 'open');
  }

  #command(now, out) {
    if (this.#send(out) && this.#observers.length > 0) this.#observe('sent', now, parseCommand(out.bytes), out.channel);
  }

  // Whether there was room for it.
  #send({ channel: label, bytes }) {
    const channel = this.#link[label];
    if (channel.bufferedAmount > MOST_WAITING[label]) {
      this.#dropped += 1;
      return false;
    }
    channel.send(bytes);
    return true;
  }

  #observe(what, ...told) {
    for (const observer of this.#observers) observer[what]?.(...told);
  }
}
