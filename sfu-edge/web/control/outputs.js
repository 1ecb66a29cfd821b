// What is switched and does not drive: light, horn, door, chime. Values; `bind` alone knows buttons.
//
//   const outputs = new Outputs({ drive });
//   outputs.press('horn'); outputs.release('horn');
//   outputs.view(drive.status().pressed)   // by output: { text, isOn, isAbsent, waits }
//
// The horn sounds while it is held: each press lasts a little, and is said again. The door wants to be held for
// half a second, and locks itself again. What the board answers that it has not is shown no more.

import { Hold } from './hold.js';
import { bindPress } from './press.js';
import { SYSTEM } from './time.js';

const HORN_MS = 500;
const HORN_EVERY_MS = 300;
const DOOR_HOLD_MS = 500;

export const OUTPUTS = ['light', 'horn', 'lock', 'chime'];

export class Outputs {
  #drive;
  #time;
  #door;
  #light = false;
  #absent = new Set();
  #silence = null;

  constructor({ drive, onChange = () => {}, time = SYSTEM }) {
    this.#drive = drive;
    this.#time = time;
    this.#door = new Hold({ ms: DOOR_HOLD_MS, onDone: () => drive.switchOutput('lock', 1), onChange, time });
  }

  press(output) {
    if (output === 'light') this.#drive.switchOutput('light', this.#light ? 0 : 1);
    if (output === 'chime') this.#drive.switchOutput('chime', 1);
    if (output === 'lock') this.#door.press();
    if (output === 'horn' && !this.#silence) this.#sound();
  }

  release(output) {
    if (output === 'lock') this.#door.release();
    if (output !== 'horn' || !this.#silence) return;
    this.#silence();
    this.#silence = null;
    this.#drive.switchOutput('horn', 0);
  }

  // All hands off.
  letGo() {
    for (const output of OUTPUTS) this.release(output);
  }

  get opensDoor() {
    return this.#door.isPressed;
  }

  // What to show, after what became of the latest press; null after the link was closed.
  view(pressed) {
    // Another link, perhaps another board.
    if (!pressed) this.#absent.clear();
    if (pressed?.answer === 'absent') this.#absent.add(pressed.output);
    if (pressed?.output === 'light' && pressed.answer === 'done') this.#light = pressed.value !== 0;
    return Object.fromEntries(OUTPUTS.map((output) => [output, {
      isOn: output === 'light' ? this.#light : output === 'horn' && this.#silence !== null,
      isAbsent: this.#absent.has(output),
      waits: pressed?.output === output && pressed.waits,
      failed: pressed?.output === output && ['fault', 'old', 'future'].includes(pressed.answer),
    }]));
  }

  // Each on its button, which the page names by `button(output)`.
  bind(button, signal) {
    for (const output of OUTPUTS) {
      bindPress(button(output), { press: () => this.press(output), lift: () => this.release(output) }, signal);
    }
  }

  #sound() {
    this.#drive.switchOutput('horn', 1, HORN_MS);
    this.#silence = this.#time.after(HORN_EVERY_MS, () => this.#sound());
  }
}
