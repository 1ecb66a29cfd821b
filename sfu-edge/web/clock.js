// How far the server's clock is from ours: of the last few exchanges the one with the shortest
// round trip tells best, and it is wrong by at most half of that.

const KEPT = 8;

export class ServerClock {
  #samples = [];
  #timer;
  #asked = 0;
  #started = false;

  // Ours, in milliseconds of Unix time, with a resolution that Date does not have.
  static now() {
    return performance.timeOrigin + performance.now();
  }

  start() {
    if (this.#started) return;
    this.#started = true;
    const burst = 5;
    let asked = 0;
    const ask = async () => {
      await this.#sample();
      asked += 1;
      if (this.#started) this.#timer = setTimeout(ask, asked < burst ? 150 : 10_000);
    };
    ask();
  }

  stop() {
    this.#started = false;
    clearTimeout(this.#timer);
  }

  // Milliseconds to add to our clock to have the server's; undefined while unknown.
  get offsetMs() {
    return this.#best?.offset;
  }

  // The bound of the offset's error.
  get errorMs() {
    return this.#best && this.#best.roundTrip / 2;
  }

  get #best() {
    return this.#samples.reduce((best, s) => (!best || s.roundTrip < best.roundTrip ? s : best), undefined);
  }

  async #sample() {
    try {
      this.#asked += 1;
      const url = new URL(`/api/time?n=${this.#asked}`, location.href).href;
      const asked = ServerClock.now();
      const response = await fetch(url, { cache: 'no-store', signal: AbortSignal.timeout(3000) });
      const heard = ServerClock.now();
      const { unix_us: unixUs } = await response.json();
      if (!Number.isFinite(unixUs)) return;
      const [sent, received] = onTheWire(url) ?? [asked, heard];
      const offset = unixUs / 1000 - (sent + received) / 2;
      this.#samples.push({ roundTrip: received - sent, offset });
      if (this.#samples.length > KEPT) this.#samples.shift();
    } catch {
      // The server is away: what is known stays good for a while.
    }
  }
}

// The same exchange without what the browser did before and after it.
function onTheWire(url) {
  const entry = performance.getEntriesByName(url).at(-1);
  // The browser keeps a few hundred entries, and then no more.
  performance.clearResourceTimings();
  if (!entry?.requestStart || !entry.responseStart) return undefined;
  return [performance.timeOrigin + entry.requestStart, performance.timeOrigin + entry.responseStart];
}
