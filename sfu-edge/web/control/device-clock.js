// What the device's clock says now. Every report carries its stamp; the one that was quickest on its way tells
// best, and it was on its way for half of the quickest round trip. Until one is measured that is taken for
// nothing, so that ages come out too small by a way, never too large.
//
//   clock.heard(now, stampUs)      a report came
//   clock.wentRound(now, ms)       a round trip was measured
//   clock.at(now)                  the device's clock in milliseconds; null before the first report

// The two crystals drift apart by a tenth of a millisecond in as long.
const KEPT_MS = 10_000;
const SLOT_MS = 1000;
// No network is that late: the device began anew.
const RESTART_MS = 5000;

export class DeviceClock {
  #ahead = new Extremes();
  // Negated, so that the quickest is the highest.
  #ways = new Extremes();

  heard(now, stampUs) {
    const ahead = stampUs / 1000 - now;
    const known = this.#ahead.most();
    if (known !== null && ahead < known - RESTART_MS) this.#ahead = new Extremes();
    this.#ahead.add(now, ahead);
  }

  wentRound(now, ms) {
    if (ms >= 0) this.#ways.add(now, -ms / 2);
  }

  at(now) {
    const ahead = this.#ahead.most();
    if (ahead === null) return null;
    return now + ahead - (this.#ways.most() ?? 0);
  }
}

// The highest of the last seconds; of the time before, where nothing came since.
class Extremes {
  #slots = [];

  add(now, value) {
    const slot = this.#slots.at(-1);
    if (slot && now - slot.from < SLOT_MS) slot.most = Math.max(slot.most, value);
    else this.#slots.push({ from: now, most: value });
    while (this.#slots.length > 1 && now - this.#slots[0].from > KEPT_MS) this.#slots.shift();
  }

  most() {
    return this.#slots.length === 0 ? null : Math.max(...this.#slots.map(({ most }) => most));
  }
}
