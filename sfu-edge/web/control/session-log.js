// What happened in this page, to be kept: JSON Lines (https://jsonlines.org), the first of which says what the
// others mean. Bounded: the oldest goes first.
//
//   log.note(now, 'sent', { kind: 'stop', seq: 4 })
//   new Blob(log.text({ stream: 'door' }))
//
// Nothing of the page's address goes in, so no token does.

// Half an hour, and what a telephone can spare.
const KEPT_MS = 30 * 60 * 1000;
const MOST_CHARACTERS = 16_000_000;
const CHUNK_MS = 10_000;

const EVENTS = {
  sent: 'a command that left, as control/src/wire draws it; axes in 32767ths of full scale, stamps in microseconds of the device',
  heard: 'a report of the device',
  shown: 'a picture that lit up: the device\'s stamp of its capture (us), and its age then (age_ms)',
  phase: 'what the page says of the drive, and why',
  lease: 'the number of the lease under which the device is driven, and whether it is ours',
  picture: 'the state of the player',
  loop: 'from a change of what is driven (seq) to the first picture captured after it was applied (ms)',
  latency: 'middle and tail of the latest samples, in milliseconds: [p50, p99]',
  dropped: 'messages that found no room in a channel, so far',
};

export class SessionLog {
  #chunks = [];
  #keptMs;
  #most;
  #size = 0;
  #lost = 0;

  constructor({ keptMs = KEPT_MS, most = MOST_CHARACTERS } = {}) {
    this.#keptMs = keptMs;
    this.#most = most;
  }

  note(now, what, fields) {
    let chunk = this.#chunks.at(-1);
    if (!chunk || now - chunk.from >= CHUNK_MS) chunk = this.#begin(now);
    const line = `${JSON.stringify({ t: Math.round(now * 1000) / 1000, what, ...fields })}\n`;
    chunk.lines.push(line);
    chunk.size += line.length;
    this.#size += line.length;
    this.#bound(now);
  }

  // The whole of it in parts. `origin`: what t = 0 was, in milliseconds of Unix time.
  text({ stream, origin, now }) {
    const head = {
      format: 'transom-session-log',
      version: 1,
      stream,
      written: new Date(origin + now).toISOString(),
      t: { unit: 'ms', zero: new Date(origin).toISOString(), clock: 'of this browser, monotonic' },
      chunks_lost: this.#lost,
      what: EVENTS,
    };
    return [`${JSON.stringify(head)}\n`, ...this.#chunks.map(({ lines }) => lines.join(''))];
  }

  #begin(now) {
    // One string is smaller than its many parts.
    const former = this.#chunks.at(-1);
    if (former) former.lines = [former.lines.join('')];
    const chunk = { from: now, size: 0, lines: [] };
    this.#chunks.push(chunk);
    return chunk;
  }

  #bound(now) {
    while (this.#chunks.length > 1 && (this.#size > this.#most || now - this.#chunks[1].from > this.#keptMs)) {
      this.#size -= this.#chunks.shift().size;
      this.#lost += 1;
    }
  }
}
