// The robot from above, drawn from its telemetry: where it has been, where it looks, what its wheels do.
// Ahead of its start is up, left is left, and it stays where it is: the floor goes by.

import { FULL_SCALE } from './wire.js';

const SVG = 'http://www.w3.org/2000/svg';
// Millimetres.
const FLOOR = { width: 2400, height: 1600 };
// Of the floor's height: the words stand below.
const ABOVE = 0.4;
const TILE = 500;
const WHEEL = 130;
const FASTEST = 260;
// What the eye follows of a jump between two reports, each tenth of a second.
const CATCH_UP = 0.75;

const BODY = `
  <defs><pattern id="tiles" width="${TILE}" height="${TILE}" patternUnits="userSpaceOnUse">
    <path class="tile" d="M ${TILE} 0 H 0 V ${TILE}"/></pattern></defs>
  <rect class="floor" fill="url(#tiles)"/>
  <g class="world">
    <circle class="start" r="40"/>
    <polyline class="trail" points=""/>
    <g class="robot">
      <path class="hull" d="M -70 -110 Q 0 -160 70 -110 V 90 Q 70 110 50 110 H -50 Q -70 110 -70 90 Z"/>
      <path class="nose" d="M -34 -66 L 0 -108 L 34 -66"/>
      <rect class="wheel" x="-112" y="${-WHEEL / 2}" width="34" height="${WHEEL}" rx="14"/>
      <rect class="wheel" x="78" y="${-WHEEL / 2}" width="34" height="${WHEEL}" rx="14"/>
      <path class="speed left" d=""/><path class="speed right" d=""/>
    </g>
  </g>`;

export class RobotView {
  #svg;
  #trail = new Trail();
  #target = null;
  #shown = null;
  #drawnAt = 0;
  #frame = 0;
  #still = matchMedia('(prefers-reduced-motion: reduce)');

  constructor(svg) {
    this.#svg = svg;
    svg.setAttribute('viewBox', `${-FLOOR.width / 2} ${-FLOOR.height * ABOVE} ${FLOOR.width} ${FLOOR.height}`);
    svg.setAttribute('preserveAspectRatio', 'xMidYMid slice');
    const body = new DOMParser().parseFromString(`<svg xmlns="${SVG}">${BODY}</svg>`, 'image/svg+xml');
    svg.replaceChildren(...body.documentElement.childNodes);
  }

  clear() {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#trail = new Trail();
    this.#target = null;
    this.#shown = null;
  }

  // `telemetry` as wire.js gives it; `tone` as words.js does.
  show(telemetry, tone) {
    this.#svg.dataset.tone = tone;
    if (telemetry === this.#target?.telemetry) return;
    const { xMm, yMm, headingMrad } = telemetry;
    if (this.#trail.add(xMm, yMm)) this.#shown = null;
    this.#part('.trail').setAttribute('points', this.#trail.points.map(([x, y]) => `${-y},${-x}`).join(' '));
    this.#target = { telemetry, x: xMm, y: yMm, heading: headingMrad / 1000 };
    const [left, right] = wheels(telemetry.axes);
    this.#part('.left').setAttribute('d', arrow(-95, left));
    this.#part('.right').setAttribute('d', arrow(95, right));
    if (this.#still.matches || !this.#shown) {
      this.#shown = { ...this.#target };
      this.#place();
    } else if (this.#frame === 0) {
      this.#drawnAt = performance.now();
      this.#frame = requestAnimationFrame((now) => this.#glide(now));
    }
  }

  #glide(now) {
    this.#frame = 0;
    if (!this.#target || !this.#shown) return;
    const share = 1 - (1 - CATCH_UP) ** (Math.max(0, now - this.#drawnAt) / 100);
    this.#drawnAt = now;
    const { x, y, heading } = this.#target;
    const turn = Math.atan2(Math.sin(heading - this.#shown.heading), Math.cos(heading - this.#shown.heading));
    const way = Math.hypot(x - this.#shown.x, y - this.#shown.y);
    const there = way < 1 && Math.abs(turn) < 0.005;
    this.#shown.x += (x - this.#shown.x) * (there ? 1 : share);
    this.#shown.y += (y - this.#shown.y) * (there ? 1 : share);
    this.#shown.heading += turn * (there ? 1 : share);
    this.#place();
    if (!there) this.#frame = requestAnimationFrame((later) => this.#glide(later));
  }

  #place() {
    const { x, y, heading } = this.#shown;
    const [right, down] = [-y, -x];
    this.#part('.world').setAttribute('transform', `translate(${-right} ${-down})`);
    this.#part('.robot').setAttribute('transform', `translate(${right} ${down}) rotate(${(-heading * 180) / Math.PI})`);
    const floor = this.#part('.floor');
    // As many tiles more as the floor has gone by.
    floor.setAttribute('transform', `translate(${-right % TILE} ${-down % TILE})`);
    for (const [name, value] of Object.entries({ x: -3 * TILE, y: -3 * TILE, width: 6 * TILE, height: 6 * TILE })) {
      floor.setAttribute(name, value);
    }
  }

  #part(selector) {
    return this.#svg.querySelector(selector);
  }
}

// Where it was, thinned out; the oldest goes first.
export class Trail {
  #points = [];
  #apart;
  #most;
  #jump;

  constructor({ apart = 20, most = 500, jump = 1000 } = {}) {
    this.#apart = apart;
    this.#most = most;
    this.#jump = jump;
  }

  get points() {
    return this.#points;
  }

  // Millimetres; true where it cannot have come from where it was, so that the trail begins anew.
  add(x, y) {
    const last = this.#points.at(-1);
    const way = last ? Math.hypot(x - last[0], y - last[1]) : Infinity;
    if (way < this.#apart) return false;
    const jumped = way > this.#jump;
    if (jumped) this.#points = [];
    this.#points.push([x, y]);
    if (this.#points.length > this.#most) this.#points.shift();
    return jumped;
  }
}

// What a differential drive makes of the axes: the wheels as fractions, as in boards/hal.
export function wheels({ linear, angular }) {
  const [left, right] = [linear - angular, linear + angular];
  const most = Math.max(Math.abs(left), Math.abs(right), FULL_SCALE);
  return [left / most, right / most];
}

function arrow(x, fraction) {
  if (Math.abs(fraction) < 0.02) return '';
  const tip = -Math.sign(fraction) * (WHEEL / 2 + 30) - fraction * FASTEST;
  const back = Math.sign(fraction) * 45;
  return `M ${x} 0 V ${tip} M ${x - 38} ${tip + back} L ${x} ${tip} L ${x + 38} ${tip + back}`;
}
