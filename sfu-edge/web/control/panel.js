// The drive's part of the page: a robot's state and place for all who watch it; stick, Arm and Stop for
// those who may drive.
//
// Stop acts when it is touched, not when it is left. Arm has to be held for half a second: in a panic
// fingers land beside Stop, and what they land on must not be what lets the robot move. A click without a
// pointer, as screen readers make them, is deliberate as it is, and arms at once.

import { Drive } from './drive.js';
import { Hold } from './hold.js';
import { Joystick } from './joystick.js';
import { Keys } from './keys.js';
import { LeasePanel } from './lease-panel.js';
import { RobotView } from './robot.js';
import { describe, place } from './words.js';

const ARM_HOLD_MS = 500;
const SHOW_EVERY_MS = 200;

const el = (id) => document.getElementById(id);

export class DrivePanel {
  #keys = new Keys();
  #joystick = new Joystick();
  #drive = new Drive({ hands: [this.#joystick, this.#keys] });
  #lease = new LeasePanel(this.#drive);
  #robot = new RobotView(el('robot'));
  #hold = new Hold({ ms: ARM_HOLD_MS, onDone: () => this.#drive.arm(), onChange: () => this.#showHold() });
  #endings = new AbortController();
  #timer;
  #frame = 0;

  get drive() {
    return this.#drive;
  }

  start() {
    const { signal } = this.#endings;
    this.#joystick.bind(el('stick'), { onChange: () => this.#steered(), signal });
    this.#keys.bind(window, {
      onChange: () => this.#steered(),
      onStop: () => this.#stop(),
      isActive: () => !el('dock').hidden,
      takesArrows: () => this.#drive.status().drives,
      signal,
    });
    this.#bindStop(signal);
    this.#bindArm(signal);
    this.#lease.bind(signal);
    const away = () => {
      this.#hold.release();
      this.#drive.leave();
      this.#steered();
    };
    addEventListener('blur', away, { signal });
    addEventListener('pagehide', away, { signal });
    document.addEventListener('visibilitychange', () => document.hidden && away(), { signal });
    document.addEventListener('freeze', away, { signal });
    // Escape leaves the full screen and is not told to the page.
    document.addEventListener('fullscreenchange', () => document.fullscreenElement || away(), { signal });
    // A menu swallows the end of a held key.
    addEventListener('contextmenu', () => this.#release(), { signal });
    // Fingers that rest want no menu.
    el('dock').addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
    this.#drive.addEventListener('change', () => this.#soon(), { signal });
    this.#timer = setInterval(() => {
      this.#show();
      this.#showFigures();
    }, SHOW_EVERY_MS);
  }

  // Stops what it drives.
  stop() {
    this.#hold.release();
    this.#drive.leave();
    this.#endings.abort();
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#robot.clear();
    this.#appear(false, false);
  }

  #stop() {
    this.#hold.release();
    this.#drive.stop();
  }

  #release() {
    this.#drive.release();
    this.#steered();
  }

  #steered() {
    const keys = this.#joystick.axes === null ? this.#keys.axes : null;
    const { x, y } = keys ? knobOf(keys) : this.#joystick.knob;
    el('knob').style.setProperty('--x', x);
    el('knob').style.setProperty('--y', y);
    el('stick').classList.toggle('held', (this.#joystick.axes ?? keys) !== null);
    this.#drive.steer();
  }

  #bindStop(signal) {
    const stop = el('stop');
    stop.addEventListener('pointerdown', (event) => event.button === 0 && this.#stop(), { signal });
    // By Enter, or by a screen reader.
    stop.addEventListener('click', (event) => event.detail === 0 && this.#stop(), { signal });
  }

  #bindArm(signal) {
    const arm = el('arm');
    let disarms = false;
    const press = () => {
      disarms = this.#drive.status().drives;
      if (!disarms) this.#hold.press();
    };
    const lift = () => {
      this.#hold.release();
      if (disarms) this.#drive.disarm();
      disarms = false;
    };
    const cancel = () => {
      disarms = false;
      this.#hold.release();
    };
    const on = (name, listener) => arm.addEventListener(name, listener, { signal });
    on('pointerdown', (event) => event.button === 0 && press());
    on('pointerup', lift);
    for (const end of ['pointercancel', 'pointerleave', 'blur']) on(end, cancel);
    on('keydown', (event) => {
      if (event.code !== 'Enter' && event.code !== 'NumpadEnter') return;
      event.preventDefault();
      if (!event.repeat) press();
    });
    on('keyup', (event) => ['Enter', 'NumpadEnter'].includes(event.code) && lift());
    on('click', (event) => {
      if (event.detail !== 0) return;
      if (this.#drive.status().drives) this.#drive.disarm();
      else this.#drive.arm();
    });
  }

  #showHold() {
    el('arm').classList.toggle('holding', this.#hold.isPressed);
  }

  #soon() {
    if (this.#frame !== 0) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#show();
    });
  }

  #show() {
    const status = this.#drive.status();
    // A robot is what has said so.
    if (el('drive').hidden && !status.telemetry) return;
    this.#appear(true, status.mayDrive);
    const { tone, title, text } = describe(status);
    el('drive').dataset.phase = status.phase;
    el('drive-state').className = `drive-state ${tone}`;
    say('drive-phase', title);
    say('drive-why', text);
    say('arm-text', status.drives ? 'Disarm' : 'Hold to arm');
    el('arm').classList.toggle('armed', status.phase === 'armed');
    this.#lease.show(status.holding, status.mayDrive);
    if (!status.telemetry) return;
    const { said, shown } = place(status.telemetry);
    say('robot-text', shown);
    el('robot').setAttribute('aria-label', said);
    this.#robot.show(status.telemetry, status.linked && status.reportAgeMs <= status.limitMs ? tone : 'away');
  }

  // Slower than what they tell: they are to be read.
  #showFigures() {
    const status = this.#drive.status();
    say('rtt', milliseconds(status.rttMs));
    say('command-age', milliseconds(status.phase === 'armed' || status.phase === 'foreign' ? status.commandAgeMs : null));
    say('report-age', milliseconds(status.reportAgeMs));
    say('limit', milliseconds(status.limitMs));
    late('command-age', status.commandAgeMs, status.limitMs);
    late('report-age', status.reportAgeMs, status.limitMs);
  }

  #appear(robot, drives) {
    el('drive').hidden = !robot;
    el('dock').hidden = !drives;
    document.body.classList.toggle('with-robot', robot);
    document.body.classList.toggle('may-drive', robot && drives);
  }
}

// Where the stick would be for what the keys say.
function knobOf({ linear, angular }) {
  const [x, y] = [-Math.sign(angular), -Math.sign(linear)];
  const way = Math.max(1, Math.hypot(x, y));
  return { x: x / way, y: y / way };
}

// Only what changed: a live region says it again otherwise.
function say(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}

function milliseconds(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  if (value > 9999) return '> 9999';
  return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

// Half of what stops it is much.
function late(id, age, limit) {
  el(id).classList.toggle('late', age !== null && age > limit / 2);
}
