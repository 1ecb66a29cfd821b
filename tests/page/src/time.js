// Time that goes on when the test says so; the form is that of web/control/time.js.

export class FakeTime {
  #now = 0;
  #timers = [];

  now = () => this.#now;

  after = (ms, then) => {
    const timer = { at: this.#now + ms, then };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  advance(ms) {
    for (const end = this.#now + ms; ; ) {
      const due = this.#timers.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
      if (!due) {
        this.#now = end;
        return;
      }
      this.#timers = this.#timers.filter((other) => other !== due);
      this.#now = Math.max(this.#now, due.at);
      due.then();
    }
  }
}
