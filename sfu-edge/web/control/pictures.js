// When the picture on the screen was captured, by the device's clock. Browsers tell a picture's RTP timestamp,
// the device tells of one picture in many when it was captured, and the timestamps count 90 kHz between.
//
//   pictures.tell({ captured, rtp })   a report: microseconds of the device, RTP timestamp of that picture
//   pictures.stampOf(timestamp)              microseconds of the device; null while it is not known

const TICKS_PER_US = 0.09;
// A picture further from the one that was told of belongs to another publisher's timestamps.
const MOST_APART_US = 10_000_000;

export class Pictures {
  #known = null;

  tell({ captured, rtp }) {
    this.#known = { captured, rtp };
  }

  stampOf(timestamp) {
    if (this.#known === null || !Number.isInteger(timestamp)) return null;
    // The difference of two numbers that wrap at 32 bits, with its sign.
    const apart = ((timestamp - this.#known.rtp) | 0) / TICKS_PER_US;
    if (Math.abs(apart) > MOST_APART_US) return null;
    const stamp = Math.round(this.#known.captured + apart);
    return stamp > 0 ? stamp : null;
  }

  forget() {
    this.#known = null;
  }
}
