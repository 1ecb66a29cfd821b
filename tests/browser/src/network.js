// Two machines and the cable between them: network namespaces, in a user namespace, so that no root
// is needed. What runs there reaches nothing else, and nothing else reaches it.

import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, readlinkSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

// This machine itself.
export const HERE = {
  command: (path, args) => [path, args],
  executable: (path) => path,
};

// Why there can be no such network here; false where there can.
export function networkRefused() {
  try {
    const attempt = 'ip link add lan0 type veth peer name wlan0';
    execFileSync('unshare', ['--map-root-user', '--net', 'sh', '-c', attempt], { stdio: ['ignore', 'ignore', 'pipe'] });
    return false;
  } catch (error) {
    return `NO NETWORK NAMESPACES HERE: ${String(error.stderr || error.message).trim()}`;
  }
}

export class Network {
  // A house with the server, and a phone in its Wi-Fi.
  house = new Machine('192.168.77.5');
  phone = new Machine('192.168.77.30');
  #folder;

  constructor(folder) {
    this.#folder = folder;
  }

  async start() {
    await this.house.start(this.#folder, ['unshare', '--map-root-user', '--net']);
    await this.phone.start(this.#folder, [...this.house.inside, 'unshare', '--net']);
    this.house.run(`ip link add lan0 type veth peer name wlan0 netns ${this.phone.pid}`);
    this.house.connect('lan0');
    this.phone.connect('wlan0');
  }

  async end() {
    await this.phone.end();
    await this.house.end();
  }
}

class Machine {
  #folder;
  #child;

  constructor(address) {
    this.address = address;
  }

  // A process that holds the namespaces open; `made` leads to it and makes them.
  async start(folder, made) {
    this.#folder = folder;
    const [path, ...args] = [...made, 'sleep', 'infinity'];
    this.#child = spawn(path, args, { stdio: 'ignore' });
    this.ended = new Promise((resolve) => { this.#child.on('exit', resolve); });
    const program = () => basename(readlinkSync(`/proc/${this.pid}/exe`));
    // `unshare` becomes `sleep` once it has made them.
    for (let n = 0; !['sleep', 'coreutils', 'busybox'].includes(program()); n += 1) {
      if (n > 500) throw new Error(`${path} did not make a namespace`);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  }

  get pid() {
    return this.#child.pid;
  }

  // What a command begins with that is to run there.
  get inside() {
    return ['nsenter', '--target', String(this.pid), '--user', '--net', '--preserve-credentials', '--'];
  }

  command(path, args) {
    const [enter, ...how] = this.inside;
    return [enter, [...how, path, ...args]];
  }

  // A script in place of `path` that runs it there.
  executable(path) {
    const script = join(this.#folder, `${basename(path)}-at-${this.address}`);
    writeFileSync(script, `#!/bin/sh\nexec ${this.inside.join(' ')} ${path} "$@"\n`);
    chmodSync(script, 0o755);
    return script;
  }

  run(line) {
    const [path, args] = this.command('sh', ['-ec', line]);
    execFileSync(path, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  }

  connect(device) {
    this.run(`ip link set lo up; ip address add ${this.address}/24 dev ${device}; ip link set ${device} up`);
  }

  async end() {
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill();
    await this.ended;
  }
}
