// One scenario's cast: the server and its clients, as real processes on free ports. What was started
// last ends first, and when the scenario fails its error carries what the programs last said.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Board } from './board.js';
import { EXECUTABLE, startChromium } from './chromium.js';
import { HERE, Network } from './network.js';
import { binDir, ffmpeg } from './paths.js';
import { Program } from './program.js';

// A test with a stage. The limit is ours and not the runner's, which would leave processes behind.
// `skip` is the reason why it cannot be played here, if there is one.
export function scenario(name, body, { seconds = 120, skip = false } = {}) {
  test(name, { skip }, () => onStage(body, seconds));
}

export async function onStage(body, seconds) {
  const stage = new Stage();
  let timer;
  const limit = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not over after ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([body(stage), limit]);
  } catch (error) {
    error.message += `\n${stage.programs.map((program) => program.tail()).join('\n')}`;
    throw error;
  } finally {
    clearTimeout(timer);
    await stage.end();
  }
}

class Stage {
  programs = [];
  #endings = [];

  async end() {
    while (this.#endings.length > 0) await this.#endings.pop()();
  }

  // Two machines on a network of their own.
  async network() {
    const network = new Network(this.folder());
    this.#endings.push(() => network.end());
    await network.start();
    return network;
  }

  // `on` is one of a network's machines; this one otherwise.
  async sfu({ http = '127.0.0.1:0', udpPort = 0, stateDir = this.folder(), on = HERE, more = [] } = {}) {
    const args = ['--http', http, '--udp-port', String(udpPort), '--state-dir', stateDir, ...more];
    const program = this.#start('transom-sfu', ...on.command(join(binDir, 'transom-sfu'), args));
    const [, address, udp] = await program.line(/listening http=(\S+) udp=(\S+)/);
    const [link] = await program.line(/http:\S+#token=\S+/);
    return new Sfu(program, stateDir, link, address, Number(udp.split(':').pop()));
  }

  // An agent that publishes; resolves when it says that it is connected.
  async agent(sfu, { stream = 'door', source = 'test', audio = 'test', more = [] } = {}) {
    const program = this.#start(
      'transom-agent',
      join(binDir, 'transom-agent'),
      ['--whip', sfu.whip(stream), '--source', source, '--audio', audio, ...more],
      { TRANSOM_TOKEN: sfu.tokens.publish },
    );
    await program.line(/connected/, { within: 20_000 });
    return program;
  }

  // An agent that was given a pairing link and nothing else.
  async pairedAgent(link, { on = HERE, more = [] } = {}) {
    const [path, args] = on.command(join(binDir, 'transom-agent'), ['--source', 'test', '--audio', 'test', ...more]);
    const program = this.#start('transom-agent', path, args, { TRANSOM_AGENT_WHIP: link });
    await program.line(/connected/, { within: 20_000 });
    return program;
  }

  // FFmpeg publishes `clip` by its own WHIP client, encoded the way live encoders do it.
  ffmpeg(sfu, { clip, stream }) {
    return this.#start('ffmpeg', ffmpeg(), [
      '-hide_banner', '-nostats', '-re', '-stream_loop', '-1', '-i', clip,
      '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000',
      '-map', '0:v', '-map', '1:a',
      '-c:v', 'libx264', '-profile:v', 'baseline', '-preset', 'ultrafast', '-tune', 'zerolatency',
      '-bf', '0', '-g', '25', '-pix_fmt', 'yuv420p',
      '-c:a', 'libopus', '-ar', '48000', '-ac', '2',
      '-authorization', sfu.tokens.publish, '-f', 'whip', sfu.whip(stream),
    ]);
  }

  // An ARM board made of software.
  async board(image, forward) {
    const board = new Board(image, forward);
    this.#endings.push(() => board.end());
    await board.boot();
    return board;
  }

  // A browser of its own: two of them share nothing.
  async chromium(moreFlags = [], { on = HERE } = {}) {
    const browser = await startChromium(moreFlags, on.executable(EXECUTABLE));
    this.#endings.push(() => browser.close());
    return browser;
  }

  folder() {
    const folder = mkdtempSync(join(tmpdir(), 'transom-test-'));
    this.#endings.push(() => rmSync(folder, { recursive: true, force: true }));
    return folder;
  }

  #start(...how) {
    const program = new Program(...how);
    this.programs.push(program);
    this.#endings.push(() => program.end());
    return program;
  }
}

class Sfu {
  constructor(program, stateDir, link, address, udpPort) {
    Object.assign(this, { program, stateDir, link, address, udpPort });
    this.url = `http://${address}`;
    this.tokens = readTokens(stateDir);
  }

  whip(stream) {
    return `${this.url}/whip/${stream}`;
  }

  whep(stream) {
    return `${this.url}/whep/${stream}`;
  }

  // What /api/streams says of one stream; undefined when it does not know it.
  async stream(name) {
    const answer = await fetch(`${this.url}/api/streams`, {
      headers: { authorization: `Bearer ${this.tokens.watch}` },
    });
    if (!answer.ok) throw new Error(`/api/streams: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).streams.find((stream) => stream.name === name);
  }
}

function readTokens(stateDir) {
  const text = readFileSync(join(stateDir, 'secrets.toml'), 'utf8');
  return Object.fromEntries(
    [...text.matchAll(/^\s*(\w+)\s*=\s*"([^"]+)"/gm)].map(([, scope, token]) => [scope, token]),
  );
}

// Asks again and again until `question` has a truthy answer.
export async function until(question, { within, every = 100, what }) {
  const begun = Date.now();
  for (;;) {
    const answer = await question();
    if (answer) return { answer, took: Date.now() - begun };
    if (Date.now() - begun > within) throw new Error(`${what}: not within ${within} ms`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}
