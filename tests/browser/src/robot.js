// A simulated robot that is published and can be driven, its lines' edges, and hands for a page.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

// A server (`more` flags), an agent with a robot (`control`: more lines of its table), and the links to both ways of
// looking at it.
export async function robot(stage, { more = [], control = '' } = {}) {
  const sfu = await stage.sfu({ more });
  const folder = stage.folder();
  const trace = join(folder, 'trace');
  const config = join(folder, 'transom-agent.toml');
  writeFileSync(config, `[control]\nboard = "sim"\ntrace = "${trace}"\n${control}`);
  const agent = await stage.agent(sfu, { more: ['--config', config] });
  return { sfu, agent, config, lines: new Lines(trace), driveLink: `${sfu.url}/#token=${sfu.tokens.drive}`, watchLink: sfu.link };
}

// What the robot's lines did, in order: { at, line, value }. Times are milliseconds of CLOCK_MONOTONIC.
export class Lines {
  #path;

  constructor(path) {
    this.#path = path;
  }

  edges() {
    const whole = readFileSync(this.#path, 'utf8').split('\n').slice(0, -1);
    return whole.map((text) => {
      const [micros, line, value] = text.split(' ');
      return { at: Number(micros) / 1000, line, value: Number(value) };
    });
  }

  get powered() {
    return this.edges().findLast(({ line }) => line === 'enable')?.value === 1;
  }

  // Resolves with the time of the edge; one before `since` does not count.
  async power(on, { since = 0, within = 5000 } = {}) {
    const until = monotonic() + within;
    for (;;) {
      const edge = this.edges().findLast(({ line }) => line === 'enable');
      if (edge && edge.at >= since && (edge.value === 1) === on) return edge.at;
      if (monotonic() > until) throw new Error(`power ${on ? 'on' : 'off'}: not within ${within} ms: ${JSON.stringify(edge)}`);
      await sleep(2);
    }
  }

  // The latest edge of a wheel before `before`: a setpoint came no earlier.
  lastMotion(before) {
    return this.edges().findLast(({ at, line, value }) => at < before && line !== 'enable' && value !== 0).at;
  }
}

// CLOCK_MONOTONIC, milliseconds.
export function monotonic() {
  return Number(process.hrtime.bigint() / 1000n) / 1000;
}

// What to add to a page's performance.now() for monotonic(), and by how much that may be wrong.
export async function clockOf(page) {
  let best = { offset: 0, error: Infinity };
  for (let n = 0; n < 30; n += 1) {
    const before = monotonic();
    const there = await page.evaluate(() => performance.now());
    const after = monotonic();
    const error = (after - before) / 2;
    if (error < best.error) best = { offset: (before + after) / 2 - there, error };
  }
  return best;
}

export function phase(page, wanted, within = 10_000) {
  return page.waitForFunction((phase) => window.transom?.drive?.status().phase === phase, wanted, { timeout: within, polling: 20 });
}

export async function drivable(page) {
  await page.locator('#arm').waitFor({ state: 'visible', timeout: 15_000 });
}

// By a mouse that is held down.
export async function arm(page) {
  await drivable(page);
  await page.locator('#arm').hover();
  await page.mouse.down();
  await phase(page, 'armed');
  await page.mouse.up();
}

// Fingers on a page's glass.
export class Fingers {
  #session;
  #points = new Map();

  static async on(page) {
    const fingers = new Fingers();
    fingers.#session = await page.context().newCDPSession(page);
    return fingers;
  }

  async down(id, x, y) {
    this.#points.set(id, { id, x, y });
    await this.#say('touchStart');
  }

  async move(id, x, y) {
    this.#points.set(id, { id, x, y });
    await this.#say('touchMove');
  }

  async up(id) {
    this.#points.delete(id);
    await this.#say('touchEnd');
  }

  async cancel() {
    this.#points.clear();
    await this.#say('touchCancel');
  }

  #say(type) {
    const touchPoints = type === 'touchCancel' ? [] : [...this.#points.values()];
    return this.#session.send('Input.dispatchTouchEvent', { type, touchPoints });
  }
}

export async function middle(page, selector) {
  const { x, y, width, height } = await page.locator(selector).boundingBox();
  return { x: x + width / 2, y: y + height / 2, width, height };
}

export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
