// An ARM board made of software (its image is in the folder that TRANSOM_BOARD names), driven by its
// console: a line is a number and a command; what comes back stands behind the number.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

// This machine, as the board sees it.
export const HOST = '10.0.2.2';
// The board, as it sees itself.
export const BOARD = '10.0.2.15';

export class Board {
  #qemu;
  #lines = [];
  #waiting = new Set();
  #commands = 0;

  // `forward` are ports of this machine's loopback that lead to the board's: { tcp: { 40123: 8443 } }.
  constructor(image, forward = {}) {
    const forwarded = Object.entries(forward).flatMap(([protocol, ports]) => (
      Object.entries(ports).map(([here, there]) => `,hostfwd=${protocol}:127.0.0.1:${here}-:${there}`)
    ));
    this.#qemu = spawn('qemu-system-aarch64', [
      '-M', 'virt', '-cpu', 'cortex-a72', '-smp', '2', '-m', '1024',
      '-netdev', `user,id=net${forwarded.join('')}`, '-device', 'virtio-net-pci,netdev=net,romfile=',
      '-append', 'console=ttyAMA0 panic=-1 loglevel=1',
      '-display', 'none', '-no-reboot', '-monitor', 'none', '-serial', 'stdio',
      '-kernel', join(image, 'vmlinuz'), '-initrd', join(image, 'initramfs'),
    ], { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#qemu.stdout }).on('line', (line) => {
      this.#lines.push(line);
      if (process.env.TRANSOM_SHOW_LOGS) console.log(`  board | ${line}`);
      for (const hear of [...this.#waiting]) hear(line);
    });
  }

  async boot() {
    await this.#until((line) => line.trim().endsWith('board: ready'), 90_000, 'to be ready');
  }

  // Runs a shell's command line; what it said, and its status.
  async run(command, within = 60_000) {
    this.#commands += 1;
    const number = this.#commands;
    const said = [];
    const ended = this.#until((line) => {
      const [, text] = line.split(`board: ${number}: `);
      if (text !== undefined) said.push(text.trimEnd());
      return line.split(`board: ${number} ended `)[1];
    }, within, command);
    this.#qemu.stdin.write(`${number} ${command}\n`);
    const status = Number(await ended);
    return { status, said: said.join('\n') };
  }

  // Starts a program in the background; what it says goes to /tmp/NAME.log.
  async start(name, command) {
    await this.run(`${command} >/tmp/${name}.log 2>&1 & echo $! >/tmp/${name}.pid`);
  }

  async waitFor(command, within = 60_000) {
    const begun = Date.now();
    for (;;) {
      const { status, said } = await this.run(command);
      if (status === 0) return said;
      if (Date.now() - begun > within) throw new Error(`not within ${within} ms: ${command}`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  // Writes a file on the board.
  async send(path, contents) {
    const server = createServer((socket) => socket.end(contents)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { status, said } = await this.run(`nc ${HOST} ${server.address().port} >${path}`);
    server.close();
    if (status !== 0) throw new Error(said);
  }

  async end() {
    if (this.#qemu.exitCode !== null) return;
    const ended = once(this.#qemu, 'exit');
    this.#qemu.kill('SIGKILL');
    await ended;
  }

  #until(found, within, what) {
    return new Promise((resolve, reject) => {
      const hear = (line) => {
        const result = found(line);
        if (result) done(() => resolve(result));
      };
      const timer = setTimeout(() => {
        done(() => reject(new Error(`the board took too long ${what}:\n${this.#lines.slice(-40).join('\n')}`)));
      }, within);
      const done = (settle) => {
        clearTimeout(timer);
        this.#waiting.delete(hear);
        settle();
      };
      this.#waiting.add(hear);
    });
  }
}

// Ports of this machine's loopback that nobody has, for a board to be reached by.
export async function freePorts() {
  const server = createServer().listen(0, '127.0.0.1');
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await Promise.all([once(server, 'listening'), once(socket, 'listening')]);
  const ports = { tcp: server.address().port, udp: socket.address().port };
  server.close();
  socket.close();
  await Promise.all([once(server, 'close'), once(socket, 'close')]);
  return ports;
}
