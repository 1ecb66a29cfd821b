// The real kernel (control/examples/device.rs) as a process that lives in the test's time.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM =
  process.env.TRANSOM_DEVICE ??
  fileURLToPath(new URL('../../../target/debug/examples/device', import.meta.url));

export class Device {
  #child;
  #lines;

  constructor() {
    if (!existsSync(PROGRAM)) {
      throw new Error(`${PROGRAM} is not built: cargo build -p transom-control --example device`);
    }
    this.#child = spawn(PROGRAM, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  // Lets time pass there; times are milliseconds.
  tick(now) {
    return this.#ask(`${micros(now)} tick`);
  }

  // Gives it a message.
  take(now, { channel, bytes }) {
    return this.#ask(`${micros(now)} ${channel} ${Buffer.from(bytes).toString('hex')}`);
  }

  end() {
    this.#child.stdin.end();
  }

  // What it sends, and what its outputs have.
  async #ask(line) {
    this.#child.stdin.write(`${line}\n`);
    const messages = [];
    const switched = [];
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error('the device ended');
      const [word, ...rest] = value.split(' ');
      if (word === 'switch') {
        switched.push(rest.join(' '));
        continue;
      }
      if (word !== 'output') {
        messages.push({ channel: word, bytes: Uint8Array.from(Buffer.from(rest[0], 'hex')) });
        continue;
      }
      const [linear, angular, ...state] = rest;
      return { messages, switched, output: [Number(linear), Number(angular)], state: state.join(' ') };
    }
  }
}

// The device's clock has nothing to do with the page's.
function micros(now) {
  return Math.round(now * 1000) + 40_000_000_000;
}
