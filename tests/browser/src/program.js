// A real process: started here, heard line by line, ended by its own pid.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class Program {
  constructor(name, path, args, env = {}) {
    this.name = name;
    this.lines = [];
    // Those of stderr among them.
    this.log = [];
    this.waiting = new Set();
    this.child = spawn(path, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.child, 'exit').then(([code, signal]) => {
      this.how = code === null ? `signal ${signal}` : `exit code ${code}`;
      for (const wait of [...this.waiting]) wait.check();
    });
    const { stdout, stderr } = this.child;
    createInterface({ input: stdout }).on('line', (line) => this.#hear(line));
    createInterface({ input: stderr }).on('line', (line) => {
      this.log.push(line);
      this.#hear(line);
    });
  }

  get pid() {
    return this.child.pid;
  }

  // Resolves with the match of the first line, past or to come, that `pattern` fits.
  // `from` skips the lines that were there already (see `mark`).
  line(pattern, { within = 15_000, from = 0 } = {}) {
    return new Promise((resolve, reject) => {
      let next = from;
      const wait = {
        check: () => {
          for (; next < this.lines.length; next += 1) {
            const match = pattern.exec(this.lines[next]);
            if (match) return done(() => resolve(match));
          }
          if (this.how) done(() => reject(this.#error(`ended (${this.how}) before it said ${pattern}`)));
        },
      };
      const timer = setTimeout(() => {
        done(() => reject(this.#error(`did not say ${pattern} within ${within} ms`)));
      }, within);
      const done = (settle) => {
        clearTimeout(timer);
        this.waiting.delete(wait);
        settle();
      };
      this.waiting.add(wait);
      wait.check();
    });
  }

  mark() {
    return this.lines.length;
  }

  get alive() {
    return this.how === undefined;
  }

  async end(signal = 'SIGTERM') {
    if (!this.alive) return;
    this.child.kill(signal);
    const hurry = setTimeout(() => this.child.kill('SIGKILL'), 5_000);
    await this.ended;
    clearTimeout(hurry);
  }

  // What the last lines were, for a failed test's message.
  tail(count = 30) {
    return this.lines.slice(-count).map((line) => `  ${this.name} | ${line}`).join('\n');
  }

  #hear(line) {
    this.lines.push(line);
    if (process.env.TRANSOM_SHOW_LOGS) console.log(`  ${this.name} | ${line}`);
    for (const wait of [...this.waiting]) wait.check();
  }

  #error(what) {
    return new Error(`${this.name} ${what}\n${this.tail()}`);
  }
}
