// The browser's time, as an argument: tests have one of their own.

export const SYSTEM = {
  // Milliseconds of a monotonic clock.
  now: () => performance.now(),
  // Calls `then` once; returns what calls it off.
  after(ms, then) {
    const timer = setTimeout(then, ms);
    return () => clearTimeout(timer);
  },
};
