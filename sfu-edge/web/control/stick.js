// What a stick says, whatever it is made of: glass or plastic.

// How far a stick is out of its middle: `x` and `y` in radii, of which the dead zone counts for nothing and
// the edge for all; null in the middle, and for numbers that are none.
export function deflect(x, y, deadZone) {
  const way = Math.hypot(x, y);
  if (!(way > deadZone) || way === Infinity) return null;
  const scale = (Math.min(1, way) - deadZone) / (1 - deadZone) / way;
  return { x: x * scale, y: y * scale };
}

// Right and down, as screens and sticks count, to ahead and left, as robots do. Turning is finer near the
// middle, since a thumb that pushes ahead is never quite straight; `turn` is what is left of it at the edge.
export function steering({ x, y }, turn) {
  return { linear: 0 - y, angular: 0 - x * Math.abs(x) * turn };
}
