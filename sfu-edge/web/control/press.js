// A press of a button by whatever hand: pointer, Enter, and clicks that no pointer made, as screen readers do.
//
//   bindPress(button, { press, lift, cancel, click }, signal);
//
// `press` begins it. `lift` ends it in order; `cancel`, which is `lift` where there is none, where it slipped off or
// went away. Of several fingers the first begins it and the last ends it. `click` is deliberate as it is.

export function bindPress(button, { press, lift, cancel = lift, click = null }, signal) {
  const on = (name, listener) => button.addEventListener(name, listener, { signal });
  const isEnter = ({ code }) => code === 'Enter' || code === 'NumpadEnter';
  // What presses it: the numbers of pointers, and the key.
  const hands = new Set();
  const begin = (hand) => {
    hands.add(hand);
    if (hands.size === 1) press();
  };
  const end = (hand, how) => {
    if (hands.delete(hand) && hands.size === 0) how();
  };
  on('pointerdown', (event) => event.button === 0 && begin(event.pointerId));
  on('pointerup', (event) => end(event.pointerId, lift));
  for (const name of ['pointercancel', 'pointerleave']) on(name, (event) => end(event.pointerId, cancel));
  on('blur', () => {
    if (hands.size === 0) return;
    hands.clear();
    cancel();
  });
  on('keydown', (event) => {
    if (!isEnter(event)) return;
    event.preventDefault();
    if (!event.repeat) begin('Enter');
  });
  on('keyup', (event) => isEnter(event) && end('Enter', lift));
  if (click) on('click', (event) => event.detail === 0 && click());
}
