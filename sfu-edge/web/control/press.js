// A press of a button by whatever hand: pointer, Enter, and clicks that no pointer made, as screen readers do.
//
//   bindPress(button, { press, lift, cancel, click }, signal);
//
// `press` begins it. `lift` ends it in order; `cancel`, which is `lift` where there is none, where it slipped off or
// went away. `click` is deliberate as it is.

export function bindPress(button, { press, lift, cancel = lift, click = null }, signal) {
  const on = (name, listener) => button.addEventListener(name, listener, { signal });
  const isEnter = ({ code }) => code === 'Enter' || code === 'NumpadEnter';
  on('pointerdown', (event) => event.button === 0 && press());
  on('pointerup', () => lift());
  for (const end of ['pointercancel', 'pointerleave', 'blur']) on(end, () => cancel());
  on('keydown', (event) => {
    if (!isEnter(event)) return;
    event.preventDefault();
    if (!event.repeat) press();
  });
  on('keyup', (event) => isEnter(event) && lift());
  if (click) on('click', (event) => event.detail === 0 && click());
}
