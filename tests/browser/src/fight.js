// Two operators who fight for the lease: what one of them does, in the page, and what the log makes of it.

// Runs in the page: presses whatever there is, at random but from a seed, for `ms`. Holds `code` while it drives,
// in short pushes. Tells the epochs that it drove in, what it pressed, and the setpoints that it sent.
export function fight({ ms, code, seed }) {
  const { drive, player } = window.transom;
  let dice = seed;
  const below = (bound) => {
    dice = (dice * 48271) % 2147483647;
    return dice % bound;
  };
  const el = (id) => document.getElementById(id);
  const pressed = {};
  const click = (id) => {
    pressed[id] = (pressed[id] ?? 0) + 1;
    el(id).click();
  };
  const key = (type) => window.dispatchEvent(new KeyboardEvent(type, { code, bubbles: true, cancelable: true }));
  const epochs = new Set();
  let setpoints = 0;
  const send = RTCDataChannel.prototype.send;
  RTCDataChannel.prototype.send = function count(bytes) {
    if (bytes[1] === 1) setpoints += 1;
    return send.call(this, bytes);
  };
  const look = () => {
    const { phase, epoch } = drive.status();
    if (phase === 'armed') epochs.add(epoch);
  };
  drive.addEventListener('change', look);
  return new Promise((resolve) => {
    const until = performance.now() + ms;
    let held = false;
    const step = () => {
      const { phase, drives } = drive.status();
      if (performance.now() > until) {
        key('keyup');
        drive.removeEventListener('change', look);
        RTCDataChannel.prototype.send = send;
        resolve({ epochs: [...epochs], pressed, setpoints, session: player.session.pathname.split('/').at(-1).slice(0, 8) });
        return;
      }
      held = drives && !held;
      key(held ? 'keydown' : 'keyup');
      const buttons = [...document.querySelectorAll('#lease button')].filter((button) => !button.hidden);
      const what = below(24);
      if (what < 6 && buttons.length > 0 && !el('lease').hidden) click(buttons[below(buttons.length)].id);
      else if (what < 14 && !drives && phase !== 'foreign') click('arm');
      else if (what === 14) click('stop');
      else if (what === 15 && drives) click('arm');
      setTimeout(step, 60 + below(120));
    };
    step();
  });
}

// The server's log as tenures, in order: { session, lease, how, from, to }, times in milliseconds of the epoch.
export function tenures(log) {
  const all = [];
  for (const line of log) {
    const at = Date.parse(/^\S+/.exec(line)?.[0] ?? '');
    const lease = Number(/lease=(\d+)/.exec(line)?.[1]);
    const session = /session=(\w+)/.exec(line)?.[1];
    const ends = () => {
      const last = all.at(-1);
      if (last && last.to === null) last.to = at;
    };
    if (/ drives session=/.test(line)) {
      ends();
      all.push({ session, lease, how: /how="(\w+)"/.exec(line)[1], from: at, to: null });
    } else if (/ (drives no more|stopped by a viewer) /.test(line)) {
      ends();
    }
  }
  return all;
}

// The robot's motions by its lines, in order: { from, to, signs }, times in milliseconds of CLOCK_MONOTONIC.
export function motions(edges) {
  const all = [];
  let motion = null;
  const wheels = { left: 0, right: 0 };
  for (const { at, line, value } of edges) {
    if (line in wheels) wheels[line] = value;
    if (line === 'enable' && value === 1) {
      motion = { from: at, to: null, signs: new Set() };
      all.push(motion);
    }
    if (motion) for (const speed of Object.values(wheels)) if (speed !== 0) motion.signs.add(Math.sign(speed));
    if (line === 'enable' && value === 0 && motion) {
      motion.to = at;
      motion = null;
    }
  }
  return all;
}
