// A press that counts when it lasts.
//
//   const hold = new Hold({ ms: 500, onDone, onChange });
//   hold.press(); hold.release();   // within 500 ms: nothing was done

import { SYSTEM } from './time.js';

export class Hold {
  #ms;
  #onDone;
  #onChange;
  #time;
  #cancel = null;

  constructor({ ms = 500, onDone, onChange = () => {}, time = SYSTEM }) {
    this.#ms = ms;
    this.#onDone = onDone;
    this.#onChange = onChange;
    this.#time = time;
  }

  get isPressed() {
    return this.#cancel !== null;
  }

  press() {
    if (this.#cancel) return;
    this.#cancel = this.#time.after(this.#ms, () => {
      this.#cancel = null;
      this.#onChange();
      this.#onDone();
    });
    this.#onChange();
  }

  release() {
    if (!this.#cancel) return;
    this.#cancel();
    this.#cancel = null;
    this.#onChange();
  }
}
