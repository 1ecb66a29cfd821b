// The drive's part of the page: a robot's state, place and times for all who watch it; stick, Arm and Stop
// for those who may drive. Stop acts when it is touched, not when it is left; held, it is an emergency stop.

import { ArmPress } from './arm-press.js';
import { Drive } from './drive.js';
import { Gamepads } from './gamepad.js';
import { Joystick } from './joystick.js';
import { Keys } from './keys.js';
import { Latencies } from './latencies.js';
import { OUTPUTS, Outputs } from './outputs.js';
import { LeasePanel } from './lease-panel.js';
import { Recorder } from './recorder.js';
import { RobotView } from './robot.js';
import { StopPress } from './stop-press.js';
import { TimesView } from './times.js';
import { describe, place } from './words.js';

const SHOW_EVERY_MS = 200;

const el = (id) => document.getElementById(id);

export class DrivePanel {
  #keys = new Keys();
  #joystick = new Joystick();
  #pads = new Gamepads();
  #latencies = new Latencies();
  #recorder = new Recorder();
  #drive = new Drive({ hands: [this.#joystick, this.#pads, this.#keys], observers: [this.#latencies, this.#recorder] });
  #arm = new ArmPress({ drive: this.#drive, onChange: () => this.#showHold() });
  #lease = new LeasePanel(this.#drive);
  #stopPress = new StopPress({ drive: this.#drive, onPress: () => this.#arm.cancel(), onChange: () => this.#showHold() });
  #outputs = new Outputs({ drive: this.#drive, onChange: () => this.#showHold() });
  #robot = new RobotView(el('robot'));
  #times = new TimesView();
  #endings = new AbortController();
  #timer;
  #frame = 0;

  get drive() {
    return this.#drive;
  }

  get latencies() {
    return this.#latencies;
  }

  get log() {
    return this.#recorder.log;
  }

  // The player's state: whether there is a picture of now.
  picture(state) {
    this.#recorder.picture(state);
    this.#drive.see(state === 'live');
  }

  // A picture lights up; of frames.js.
  saw({ at, timestamp }) {
    const seen = this.#latencies.shown(at, timestamp);
    if (!seen) return;
    this.#drive.sawPicture(seen.stampUs);
    this.#recorder.shown(at, seen);
  }

  start() {
    const { signal } = this.#endings;
    const onChange = () => this.#steered();
    const onStop = () => this.#stop();
    const isActive = () => !el('dock').hidden;
    this.#joystick.bind(el('stick'), { onChange, signal });
    this.#keys.bind(window, { onChange, onStop, isActive, takesArrows: () => this.#drive.status().drives, signal });
    this.#pads.bind(window, {
      onChange,
      onStop,
      isActive,
      onPress: () => this.#arm.press(),
      onLift: () => this.#arm.lift(),
      onCancel: () => this.#arm.cancel(),
      signal,
    });
    this.#stopPress.bind(el('stop'), signal);
    this.#outputs.bind((output) => el(`switch-${output}`), signal);
    this.#arm.bind(el('arm'), signal);
    this.#lease.bind(signal);
    const away = (reason) => {
      this.#arm.cancel();
      this.#stopPress.lift();
      this.#outputs.letGo();
      this.#drive.leave(reason);
      this.#steered();
    };
    addEventListener('blur', () => away('operator'), { signal });
    addEventListener('pagehide', () => away('hidden'), { signal });
    document.addEventListener('visibilitychange', () => document.hidden && away('hidden'), { signal });
    document.addEventListener('freeze', () => away('hidden'), { signal });
    // Escape leaves the full screen and is not told to the page.
    document.addEventListener('fullscreenchange', () => document.fullscreenElement || away('operator'), { signal });
    // A menu swallows the end of a held key.
    const swallowed = () => {
      this.#arm.cancel();
      this.#outputs.letGo();
      this.#release();
    };
    addEventListener('contextmenu', swallowed, { signal });
    // Fingers that rest want no menu.
    for (const id of ['dock', 'switches']) el(id).addEventListener('contextmenu', (event) => event.preventDefault(), { signal });
    this.#drive.addEventListener('change', () => this.#soon(), { signal });
    this.#timer = setInterval(() => {
      this.#show();
      this.#showFigures();
    }, SHOW_EVERY_MS);
  }

  // Stops what it drives.
  stop() {
    this.#arm.cancel();
    this.#stopPress.lift();
    this.#outputs.letGo();
    this.#drive.leave();
    this.#endings.abort();
    clearInterval(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#robot.clear();
    this.#appear(false, false);
  }

  #stop() {
    this.#arm.cancel();
    this.#drive.stop();
  }

  #release() {
    this.#drive.release();
    this.#steered();
  }

  #steered() {
    // Where the knob is shown for what has no place of its own on the glass.
    const others = this.#joystick.axes === null ? (this.#pads.axes ?? this.#keys.axes) : null;
    const { x, y } = others ? knobOf(others) : this.#joystick.knob;
    el('knob').style.setProperty('--x', x);
    el('knob').style.setProperty('--y', y);
    el('stick').classList.toggle('held', (this.#joystick.axes ?? others) !== null);
    this.#drive.steer();
  }

  #showHold() {
    el('arm').classList.toggle('holding', this.#arm.isPressed);
    el('stop').classList.toggle('holding', this.#stopPress.isPressed);
    el('switch-lock').classList.toggle('holding', this.#outputs.opensDoor);
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
    this.#recorder.status(status);
    for (let loop; (loop = this.#latencies.pollLoop()); ) this.#recorder.looped(loop);
    // A robot is what has said so.
    if (el('drive').hidden && !status.telemetry) return;
    this.#appear(true, status.mayDrive);
    const { tone, title, text } = describe(status);
    el('drive').dataset.phase = status.phase;
    el('drive-state').className = `drive-state ${tone}`;
    say('drive-phase', title);
    say('drive-why', text);
    say('arm-text', armText(status));
    el('arm').classList.toggle('armed', status.phase === 'armed');
    this.#showOutputs(status);
    this.#lease.show(status.holding, status.mayDrive);
    if (!status.telemetry) return;
    const { said, shown } = place(status.telemetry);
    say('robot-text', shown);
    el('robot').setAttribute('aria-label', said);
    this.#robot.show(status.telemetry, status.linked && status.reportAgeMs <= status.limitMs ? tone : 'away');
  }

  #showOutputs({ pressed, mayDrive }) {
    const views = this.#outputs.view(pressed);
    el('switches').hidden = !mayDrive || OUTPUTS.every((output) => views[output].isAbsent);
    for (const output of OUTPUTS) {
      const { isOn, isAbsent, waits, failed } = views[output];
      const button = el(`switch-${output}`);
      button.hidden = isAbsent;
      button.classList.toggle('waits', waits);
      button.classList.toggle('failed', failed);
      if (output === 'light') button.setAttribute('aria-pressed', String(isOn));
      else button.classList.toggle('on', isOn);
    }
  }

  // Slower than what they tell: they are to be read.
  #showFigures() {
    const figures = this.#latencies.figures();
    this.#times.show(this.#drive.status(), figures);
    this.#recorder.figures(figures);
    el('pads').hidden = this.#pads.count === 0;
  }

  #appear(robot, drives) {
    el('drive').hidden = !robot;
    el('dock').hidden = !drives;
    document.body.classList.toggle('with-robot', robot);
    document.body.classList.toggle('may-drive', robot && drives);
  }
}

// Where the stick would be for what was said without it: full ahead is at its edge, as is a sharp turn.
function knobOf({ linear, angular }) {
  const [x, y] = [-Math.sign(angular) * Math.sqrt(Math.min(1, 2 * Math.abs(angular))), -linear];
  const way = Math.max(1, Math.hypot(x, y));
  return { x: x / way, y: y / way };
}

function armText({ drives, phase }) {
  if (phase === 'emergency' || phase === 'resetting') return 'Hold to reset';
  return drives ? 'Disarm' : 'Hold to arm';
}

// Only what changed: a live region says it again otherwise.
function say(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}
