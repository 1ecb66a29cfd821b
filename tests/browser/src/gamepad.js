// A gamepad in a page: what navigator.getGamepads() gives, and the events, as a test says. The browser's own need a
// device of the kernel's (uinput), which most machines that run tests do not have.

export const BUTTONS = { A: 0, B: 1, X: 2, Y: 3, LB: 4, RB: 5 };

export class Pad {
  #page;
  #said = { axes: [0, 0, 0, 0], pressed: [] };

  static async on(page) {
    const pad = new Pad();
    pad.#page = page;
    await page.evaluate(() => {
      window.pads = [null, null, null, null];
      Object.defineProperty(navigator, 'getGamepads', { value: () => window.pads, configurable: true });
    });
    return pad;
  }

  plug() {
    return this.#put('gamepadconnected');
  }

  async unplug() {
    this.#said = { axes: [0, 0, 0, 0], pressed: [] };
    await this.#page.evaluate(() => {
      window.pads = [null, null, null, null];
      window.dispatchEvent(new Event('gamepaddisconnected'));
    });
  }

  // Sticks from -1 to 1, to the right and down.
  stick({ left = [0, 0], right = [0, 0] } = {}) {
    this.#said.axes = [...left, ...right];
    return this.#put();
  }

  async press(...names) {
    this.#said.pressed = names.map((name) => BUTTONS[name]);
    await this.#put();
  }

  lift() {
    return this.press();
  }

  #put(event = null) {
    return this.#page.evaluate(({ axes, pressed, event }) => {
      const buttons = Array.from({ length: 17 }, (_, at) => {
        const held = pressed.includes(at);
        return { pressed: held, touched: held, value: held ? 1 : 0 };
      });
      // A snapshot, as in browsers: what was given before stays as it was.
      window.pads = [{ id: 'Test pad', index: 0, connected: true, mapping: 'standard', timestamp: performance.now(), axes, buttons }, null, null, null];
      if (event) window.dispatchEvent(new Event(event));
    }, { ...this.#said, event });
  }
}
