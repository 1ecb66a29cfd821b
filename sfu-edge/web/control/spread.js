// The middle and the tail of the latest samples.
//
//   const spread = new Spread();
//   spread.add(12.5);
//   spread.figures()   { p50, p99, count }, null where there is no sample; of the latest 300

export class Spread {
  #samples = [];
  #most;
  #count = 0;

  constructor({ most = 300 } = {}) {
    this.#most = most;
  }

  add(sample) {
    if (!Number.isFinite(sample)) return;
    this.#samples[this.#count % this.#most] = sample;
    this.#count += 1;
  }

  figures() {
    if (this.#samples.length === 0) return null;
    const sorted = [...this.#samples].sort((a, b) => a - b);
    const at = (part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
    return { p50: at(0.5), p99: at(0.99), count: this.#count };
  }
}
