// Stop, pressed by whatever hand: it stops when it is touched, and held for a second it is an emergency stop,
// which holds the robot until somebody resets it.
//
//   const stop = new StopPress({ drive, onPress, onChange });
//   stop.press(); stop.lift();
//
// Who holds on to Stop is afraid; and who only taps it wants to go on soon.

import { Hold } from './hold.js';
import { bindPress } from './press.js';

const HOLD_MS = 1000;

export class StopPress {
  #drive;
  #onPress;
  #hold;

  // `onPress`: what else ends with a stop.
  constructor({ drive, onPress = () => {}, onChange, time }) {
    this.#drive = drive;
    this.#onPress = onPress;
    this.#hold = new Hold({ ms: HOLD_MS, onDone: () => drive.emergency(), onChange, time });
  }

  get isPressed() {
    return this.#hold.isPressed;
  }

  press() {
    this.#onPress();
    this.#drive.stop();
    this.#hold.press();
  }

  lift() {
    this.#hold.release();
  }

  bind(button, signal) {
    const lift = () => this.lift();
    const click = () => {
      this.press();
      lift();
    };
    bindPress(button, { press: () => this.press(), lift, click }, signal);
  }
}
