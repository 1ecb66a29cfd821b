// Command, acknowledgement, and the frame that shows it: how long a hand waits for the eye. A trial begins with a
// setpoint that changes what is driven. The device's next beacons say that it was applied, and when by the device's
// clock. The first picture captured no earlier is the one that shows it, and the trial ends when that is on
// the screen.
//
//   loop.sent(now, seq, axes)          a setpoint left
//   loop.heard(beacon, sentAt)         sentAt(seq): when that command left, undefined if that is forgotten
//   loop.shown(stampUs, at)            a picture lights up at `at`; its capture by the device's clock
//   loop.poll()                        a trial that ended, or null: { seq, sentAt, appliedUs, stampUs, shownAt, ms }

// Of full scale: less is the same command.
const CHANGE = 0.1;
const GIVE_UP_MS = 3000;
// A second of pictures: those that were shown before the beacon came.
const SHOWN_KEPT = 64;
const FULL_SCALE = 32767;

export class ClosedLoop {
  #axes = null;
  #trial = null;
  #shown = [];
  #done = [];
  // The latest beacon, and what it had applied.
  #before = null;

  sent(now, seq, axes) {
    const [linear, angular] = [axes.linear, axes.angular];
    const former = this.#axes;
    if (this.#trial && now - this.#trial.sentAt > GIVE_UP_MS) this.#trial = null;
    if (!this.#trial && former && isOther(former, { linear, angular })) this.#trial = { seq, sentAt: now, appliedUs: null };
    this.#axes = { linear, angular };
  }

  heard({ stamp, heard, heldUs, applied, lease }, sentAt) {
    const trial = this.#trial;
    const before = this.#before;
    this.#before = { stamp, applied, lease };
    if (!trial || trial.appliedUs !== null || applied < trial.seq) return;
    // The beacon says when the latest command came; ours came earlier by as much as it left earlier, but not
    // before the last beacon that did not know it.
    const latest = stamp - heldUs;
    const since = sentAt(heard);
    const guess = since === undefined ? latest : latest - (since - trial.sentAt) * 1000;
    const floor = before && before.lease === lease && before.applied < trial.seq ? before.stamp : -Infinity;
    trial.appliedUs = Math.min(latest, Math.max(guess, floor));
    for (const { stampUs, at } of this.#shown) this.#look(stampUs, at);
  }

  shown(stampUs, at) {
    this.#shown.push({ stampUs, at });
    if (this.#shown.length > SHOWN_KEPT) this.#shown.shift();
    this.#look(stampUs, at);
  }

  poll() {
    return this.#done.shift() ?? null;
  }

  // The drive has ended: what was under way is no trial.
  forget() {
    this.#axes = null;
    this.#trial = null;
    this.#before = null;
  }

  #look(stampUs, at) {
    const trial = this.#trial;
    if (!trial || trial.appliedUs === null || stampUs < trial.appliedUs) return;
    this.#trial = null;
    this.#done.push({ ...trial, stampUs, shownAt: at, ms: at - trial.sentAt });
  }
}

// Whether there is something to be seen: another motion, or none any more.
function isOther(one, other) {
  const still = ({ linear, angular }) => linear === 0 && angular === 0;
  if (still(one) !== still(other)) return true;
  return ['linear', 'angular'].some((name) => Math.abs(one[name] - other[name]) > CHANGE * FULL_SCALE);
}
