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
import { bindPress } from './press.js';

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

  bind(button, signal) {
    bindPress(button, {
      press: () => this.press(),
      lift: () => this.lift(),
      cancel: () => this.cancel(),
      click: () => this.click(),
    }, signal);
  }
}
