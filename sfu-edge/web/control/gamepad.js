// Gamepads of the standard layout (https://w3c.github.io/gamepad/#remapping): the left stick drives, the right
// one pans and tilts. Both shoulder buttons held together arm; any of the four big buttons stops. Of a pad whose
// layout the browser does not know nobody can say which button is which: there every button stops, and nothing
// else counts.
//
//   const pads = new Gamepads();
//   pads.bind(window, { onChange, onStop, onPress, onLift, onCancel, isActive, signal });
//   pads.axes       the sticks as { linear, angular, pan, tilt }; null while all are in their middle
//   pads.count      how many are there
//   pads.release()  what is held counts no more until the sticks were in their middle
//
// The same without a browser: take(navigator.getGamepads()) tells what is new.
//
// A pad that is unplugged, or whose battery is empty, has let go. One that comes with its sticks held has not
// begun: what a stick that was put down on its face says is no command.

import { deflect, steering } from './stick.js';
import { SYSTEM } from './time.js';

// Of the standard layout, by its numbers.
const BIG_BUTTONS = [0, 1, 2, 3];
const SHOULDERS = [4, 5];
const LEFT = [0, 1];
const RIGHT = [2, 3];
// More than these are no operator's.
const MOST_PADS = 8;
const MOST_BUTTONS = 32;
// Browsers ask pads about as often.
const LOOK_EVERY_MS = 8;

export class Gamepads {
  #deadZone;
  #turn;
  #time;
  #pads = new Map();

  // `deadZone`: the part of the radius that counts for nothing; worn sticks rest that far from their middle.
  // `turn`: of full scale, at the edge.
  constructor({ deadZone = 0.16, turn = 0.5, time = SYSTEM } = {}) {
    this.#deadZone = deadZone;
    this.#turn = turn;
    this.#time = time;
  }

  get axes() {
    for (const { axes } of this.#pads.values()) if (axes !== null) return axes;
    return null;
  }

  get count() {
    return this.#pads.size;
  }

  release() {
    const held = this.axes !== null;
    for (const pad of this.#pads.values()) Object.assign(pad, { axes: null, begun: false });
    return held;
  }

  // What the browser says of its pads, nulls among them. Returns what is new:
  //   changed   the axes have
  //   stop      a button that stops was pressed
  //   press, lift, cancel   the pair that arms was pressed, let go, or went away with its pad
  take(snapshots) {
    const before = this.axes;
    const seen = new Set();
    const news = { stop: false, press: false, lift: false, cancel: false };
    for (const snapshot of [...snapshots].slice(0, MOST_PADS)) {
      if (!snapshot?.connected) continue;
      seen.add(snapshot.index);
      this.#look(snapshot, news);
    }
    for (const [index, { pair }] of this.#pads) {
      if (seen.has(index)) continue;
      this.#pads.delete(index);
      news.cancel ||= pair;
    }
    return { changed: !isSame(before, this.axes), ...news };
  }

  bind(target, { onChange, onStop, onPress, onLift, onCancel, isActive = () => true, signal }) {
    const browser = target.navigator;
    if (!browser?.getGamepads) return;
    let callOff = () => {};
    const look = () => {
      callOff();
      if (signal.aborted) return;
      const news = this.take(browser.getGamepads());
      if (isActive()) {
        if (news.stop) onStop();
        if (news.press) onPress();
        if (news.lift) onLift();
      }
      if (news.cancel) onCancel();
      if (news.changed) onChange();
      // Browsers tell of a pad that comes, not of what it says.
      if (this.count > 0) callOff = this.#time.after(LOOK_EVERY_MS, look);
    };
    for (const name of ['gamepadconnected', 'gamepaddisconnected']) target.addEventListener(name, look, { signal });
    signal.addEventListener('abort', () => callOff(), { once: true });
    look();
  }

  #look({ index, mapping, axes, buttons }, news) {
    let pad = this.#pads.get(index);
    if (!pad) this.#pads.set(index, (pad = { axes: null, begun: false, stop: false, pair: false }));
    const isKnown = mapping === 'standard';
    const stops = isKnown ? BIG_BUTTONS : [...buttons.keys()].slice(0, MOST_BUTTONS);
    const stop = stops.some((at) => isPressed(buttons[at]));
    const pair = isKnown && SHOULDERS.every((at) => isPressed(buttons[at]));
    news.stop ||= stop && !pad.stop;
    news.press ||= pair && !pad.pair;
    news.lift ||= !pair && pad.pair;
    const said = isKnown ? this.#steer(axes) : null;
    const begun = pad.begun || said === null;
    Object.assign(pad, { stop, pair, begun, axes: begun ? said : null });
  }

  #steer(axes) {
    const [drive, look] = [LEFT, RIGHT].map(([x, y]) => deflect(axes[x], axes[y], this.#deadZone));
    if (drive === null && look === null) return null;
    const { x, y } = look ?? MIDDLE;
    return { ...steering(drive ?? MIDDLE, this.#turn), pan: 0 - x, tilt: 0 - y };
  }
}

const MIDDLE = { x: 0, y: 0 };

function isPressed(button) {
  return button?.pressed === true;
}

function isSame(one, other) {
  if (one === null || other === null) return one === other;
  return ['linear', 'angular', 'pan', 'tilt'].every((name) => one[name] === other[name]);
}
