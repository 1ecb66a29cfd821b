// A joystick under one finger. Where the finger lands is the middle: landing moves nothing, only its way
// from there does. Other fingers are none of its business.
//
//   const joystick = new Joystick();
//   joystick.bind(element, { onChange, signal });   // pointer events; `--x`, `--y` place the knob
//   joystick.axes      { linear, angular } while it is held, in the middle too; null while it is not
//   joystick.release() as if the finger had left

import { deflect, steering } from './stick.js';

const MIDDLE = { x: 0, y: 0 };

export class Joystick {
  #deadZone;
  #turn;
  #held = null;

  // `deadZone`: the part of the radius that counts for nothing. `turn`: of full scale, at the edge.
  constructor({ deadZone = 0.14, turn = 0.5 } = {}) {
    this.#deadZone = deadZone;
    this.#turn = turn;
  }

  get axes() {
    if (!this.#held) return null;
    const { x, y } = this.knob;
    return steering(deflect(x, y, this.#deadZone) ?? MIDDLE, this.#turn);
  }

  // Where the knob is: right and down, in radii, within the circle.
  get knob() {
    if (!this.#held) return { x: 0, y: 0 };
    const { x, y } = this.#held;
    const out = Math.max(1, Math.hypot(x, y));
    return { x: x / out, y: y / out };
  }

  // All of these tell whether they changed anything. `x`, `y`, `radius` in any one unit.
  grab(id, x, y, radius) {
    if (this.#held || !(radius > 0)) return false;
    this.#held = { id, from: { x, y }, radius, x: 0, y: 0 };
    return true;
  }

  move(id, x, y) {
    const held = this.#held;
    if (held?.id !== id || !Number.isFinite(x) || !Number.isFinite(y)) return false;
    held.x = (x - held.from.x) / held.radius;
    held.y = (y - held.from.y) / held.radius;
    return true;
  }

  drop(id) {
    return this.#held?.id === id && this.release();
  }

  release() {
    const held = this.#held !== null;
    this.#held = null;
    return held;
  }

  bind(element, { onChange, signal }) {
    const on = (name, handle) => element.addEventListener(name, (event) => handle(event) && onChange(), { signal });
    on('pointerdown', (event) => {
      if (event.button !== 0) return false;
      const grabbed = this.grab(event.pointerId, event.clientX, event.clientY, element.clientWidth / 3);
      // Its end is told to us wherever the finger goes.
      if (grabbed) element.setPointerCapture(event.pointerId);
      return grabbed;
    });
    on('pointermove', (event) => this.move(event.pointerId, event.clientX, event.clientY));
    for (const end of ['pointerup', 'pointercancel', 'lostpointercapture']) on(end, (event) => this.drop(event.pointerId));
  }
}
