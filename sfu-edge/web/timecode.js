// Reads the capture time from the picture. The layout is that of the agent's `timecode.rs`:
//
//   cell_w = width / 80, rounded down to an even number; cell_h = 2 * cell_w
//   cell i: left x = cell_w * (8 + i), top y = height - 2 * cell_h
//   16 bits of sync 0xA5C3, 40 of Unix time in 100 us, CRC-8 (polynomial 7) over the time's bytes;
//   most significant bit first, white is 1.

const CELLS = 64;
const MARGIN = 8;
const UNITS_PER_MS = 10;
const WRAP = 2 ** 40;
const MIN_CONTRAST = 64;

export class TimeCodeReader {
  #canvas = document.createElement('canvas');
  #context = this.#canvas.getContext('2d', { willReadFrequently: true, alpha: false });

  // Capture time in units of 100 us modulo 2^40, or undefined where the picture carries none.
  read(video) {
    const { videoWidth: width, videoHeight: height } = video;
    if (width < 160 || height < 64) return undefined;
    const cell = Math.floor(width / 160) * 2;
    // Only the inner half of the rows is looked at.
    const rows = cell;
    const columns = cell * CELLS;
    if (this.#canvas.width !== columns || this.#canvas.height !== rows) {
      Object.assign(this.#canvas, { width: columns, height: rows });
    }
    const top = height - 4 * cell + cell / 2;
    this.#context.drawImage(video, cell * MARGIN, top, columns, rows, 0, 0, columns, rows);
    const { data } = this.#context.getImageData(0, 0, columns, rows);
    return decode(levels(data, cell, rows));
  }
}

// Mean brightness of the inner half of each cell. The strip is grey: green is enough.
function levels(data, cell, rows) {
  const inset = Math.floor(cell / 4);
  const means = new Float64Array(CELLS);
  for (let n = 0; n < CELLS; n += 1) {
    let sum = 0;
    let count = 0;
    for (let y = 0; y < rows; y += 1) {
      for (let x = n * cell + inset; x < (n + 1) * cell - inset; x += 1) {
        sum += data[(y * cell * CELLS + x) * 4 + 1];
        count += 1;
      }
    }
    means[n] = sum / count;
  }
  return means;
}

function decode(means) {
  const darkest = Math.min(...means);
  const brightest = Math.max(...means);
  if (brightest - darkest < MIN_CONTRAST) return undefined;
  const threshold = (darkest + brightest) / 2;
  const bytes = [];
  for (let n = 0; n < CELLS; n += 8) {
    bytes.push(means.slice(n, n + 8).reduce((byte, mean) => byte * 2 + (mean > threshold ? 1 : 0), 0));
  }
  const time = bytes.slice(2, 7);
  if (bytes[0] !== 0xa5 || bytes[1] !== 0xc3 || crc8(time) !== bytes[7]) return undefined;
  return time.reduce((value, byte) => value * 256 + byte, 0);
}

function crc8(bytes) {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let n = 0; n < 8; n += 1) crc = crc & 0x80 ? ((crc << 1) ^ 7) & 0xff : crc << 1;
  }
  return crc;
}

// Milliseconds from a code to `nowMs` (Unix time); negative where the clocks disagree. Right
// across the wrap.
export function ageMs(code, nowMs) {
  const apart = (((nowMs * UNITS_PER_MS - code) % WRAP) + WRAP) % WRAP;
  return (apart >= WRAP / 2 ? apart - WRAP : apart) / UNITS_PER_MS;
}
