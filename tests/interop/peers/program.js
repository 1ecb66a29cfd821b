// transom-interop as a child: descriptions over its pipes, and how it ended.

import { spawn } from 'node:child_process';
import { join } from 'node:path';

const program = join(process.env.TRANSOM_BIN_DIR, 'transom-interop');

export class Program {
  constructor(word) {
    this.child = spawn(program, [word], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.text = '';
    this.child.stdout.on('data', (chunk) => {
      this.text += chunk;
      this.wake?.();
    });
    this.ended = new Promise((resolve) => {
      this.child.on('exit', (code) => {
        this.code = code ?? 1;
        this.wake?.();
        resolve(this.code);
      });
    });
  }

  // The description that it prints.
  async description() {
    for (;;) {
      const end = this.text.indexOf('\n.\n');
      if (end >= 0) {
        return this.text.slice(0, end).trim().split(/\r?\n/).join('\r\n') + '\r\n';
      }
      if (this.code !== undefined) {
        throw new Error(`transom-interop ended with ${this.code}`);
      }
      await new Promise((resolve) => (this.wake = resolve));
    }
  }

  give(description) {
    this.child.stdin.write(`${description.trim()}\n.\n`);
  }

  // Waits for its end; what it says of itself decides.
  async finish() {
    const late = setTimeout(() => this.child.kill(), 30_000);
    const code = await this.ended;
    clearTimeout(late);
    if (code !== 0 || !this.text.trimEnd().endsWith('ok')) {
      throw new Error(`transom-interop ended with ${code}:\n${this.text}`);
    }
  }
}
