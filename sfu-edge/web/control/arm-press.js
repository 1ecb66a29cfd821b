// Arm, pressed by whatever hand: held it arms, or resets an emergency stop, and while it drives a press that ends
// where it began disarms.
//
//   const arm = new ArmPress({ drive, onChange });
//   arm.press(); arm.lift();   // the press ended in order
//   arm.cancel();              // it slipped off, or went away
//   arm.click();               // deliberate as it is, as screen readers make them
//
// Half a second: in a panic fingers land beside Stop, and what they land on must not be what lets the robot move.

import { Hold } from './hold.js';

const HOLD_MS = 500;

export class ArmPress {
  #drive;
  #hold;
  #disarms = false;

  constructor({ drive, onChange, time }) {
    this.#drive = drive;
    this.#hold = new Hold({ ms: HOLD_MS, onDone: () => this.#act(), onChange, time });
  }

  get isPressed() {
    return this.#hold.isPressed;
  }

  press() {
    this.#disarms = this.#drive.status().drives;
    if (!this.#disarms) this.#hold.press();
  }

  lift() {
    this.#hold.release();
    if (this.#disarms) this.#drive.disarm();
    this.#disarms = false;
  }

  cancel() {
    this.#disarms = false;
    this.#hold.release();
  }

  click() {
    if (this.#drive.status().drives) this.#drive.disarm();
    else this.#act();
  }

  #act() {
    if (this.#drive.status().phase === 'emergency') this.#drive.reset();
    else this.#drive.arm();
  }

  // On a button: pointer, Enter, and clicks without a pointer.
  bind(button, signal) {
    const on = (name, listener) => button.addEventListener(name, listener, { signal });
    const isEnter = ({ code }) => code === 'Enter' || code === 'NumpadEnter';
    on('pointerdown', (event) => event.button === 0 && this.press());
    on('pointerup', () => this.lift());
    for (const end of ['pointercancel', 'pointerleave', 'blur']) on(end, () => this.cancel());
    on('keydown', (event) => {
      if (!isEnter(event)) return;
      event.preventDefault();
      if (!event.repeat) this.press();
    });
    on('keyup', (event) => isEnter(event) && this.lift());
    on('click', (event) => event.detail === 0 && this.click());
  }
}
