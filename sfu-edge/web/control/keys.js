// The keys that drive: W A S D and the arrows, by where they lie on the keyboard. Space and Escape stop.
//
//   const keys = new Keys();
//   keys.bind(window, { isActive, onChange, onStop, takesArrows, signal });
//   keys.axes      what is held, as { linear, angular }; null where nothing is
//   keys.release() forgets what is held: its end may never be told (blur, a hidden page)

const WAYS = {
  KeyW: [1, 0], ArrowUp: [1, 0],
  KeyS: [-1, 0], ArrowDown: [-1, 0],
  KeyA: [0, 1], ArrowLeft: [0, 1],
  KeyD: [0, -1], ArrowRight: [0, -1],
};
const STOPS = ['Space', 'Escape'];

export class Keys {
  #linear;
  #angular;
  #held = new Set();

  // Fractions of full scale: a key knows no half, so it is not all there is.
  constructor({ linear = 0.6, angular = 0.3 } = {}) {
    this.#linear = linear;
    this.#angular = angular;
  }

  get axes() {
    if (this.#held.size === 0) return null;
    const ways = [...this.#held].map((code) => WAYS[code]);
    const sum = (at) => Math.sign(ways.reduce((all, way) => all + way[at], 0));
    return { linear: sum(0) * this.#linear, angular: sum(1) * this.#angular };
  }

  // Whether that changed anything.
  press(code) {
    if (!(code in WAYS) || this.#held.has(code)) return false;
    this.#held.add(code);
    return true;
  }

  lift(code) {
    return this.#held.delete(code);
  }

  release() {
    const held = this.#held.size > 0;
    this.#held.clear();
    return held;
  }

  // Listens at `target` while `isActive()`. `takesArrows()` says whether the arrows drive now; else they scroll.
  bind(target, { isActive = () => true, onChange, onStop, takesArrows = () => true, signal }) {
    const on = (name, listener) => target.addEventListener(name, listener, { signal, capture: true });
    on('keydown', (event) => {
      if (!isActive()) return;
      const typing = isText(event.target);
      if (STOPS.includes(event.code)) {
        // Not the click of the button that has the focus as well.
        if (!typing) event.preventDefault();
        if (!event.repeat) onStop();
        return;
      }
      // A shortcut; while Meta is down, some systems tell of no key's end.
      if (event.ctrlKey || event.metaKey || event.altKey) {
        if (this.release()) onChange();
        return;
      }
      if (typing || !(event.code in WAYS)) return;
      if (event.code.startsWith('Arrow') && takesArrows()) event.preventDefault();
      // The system's own repetition is no press: what was let go of stays so, whatever finger is still there.
      if (!event.repeat && this.press(event.code)) onChange();
    });
    on('keyup', (event) => {
      if (STOPS.includes(event.code) && isActive() && !isText(event.target)) event.preventDefault();
      if (this.lift(event.code)) onChange();
    });
  }
}

function isText(target) {
  return ['INPUT', 'TEXTAREA', 'SELECT'].includes(target?.tagName) || target?.isContentEditable === true;
}
