// The page's form of commands and reports against the vectors that the device's is tested with.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { emitCommand, emitReport, parseCommand, parseReport } from '../../../sfu-edge/web/control/wire.js';

const vectors = JSON.parse(
  readFileSync(new URL('../../data/control/vectors.json', import.meta.url), 'utf8'),
);

function bytes(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function hex(message) {
  return Buffer.from(message).toString('hex');
}

test('commands are read and written', () => {
  assert.ok(vectors.commands.length > 10);
  for (const { name, hex: text, message } of vectors.commands) {
    assert.deepEqual(parseCommand(bytes(text)), message, name);
    assert.equal(hex(emitCommand(message)), text, name);
  }
});

test('reports are read and written', () => {
  assert.ok(vectors.reports.length > 10);
  for (const { name, hex: text, message } of vectors.reports) {
    assert.deepEqual(parseReport(bytes(text)), message, name);
    assert.equal(hex(emitReport(message)), text, name);
  }
});

test('what is no message is refused by name', () => {
  const refuses = (parse, list) => {
    assert.ok(list.length > 10);
    for (const { name, hex: text, error } of list) {
      assert.throws(() => parse(bytes(text)), { name: 'WireError', code: error }, name);
    }
  };
  refuses(parseCommand, vectors.refused_commands);
  refuses(parseReport, vectors.refused_reports);
});

test('a message inside of a larger buffer is read where it lies', () => {
  const { hex: text, message } = vectors.commands[0];
  const inner = bytes(text);
  const outer = new Uint8Array(inner.length + 9);
  outer.set(inner, 5);
  assert.deepEqual(parseCommand(outer.subarray(5, 5 + inner.length)), message);
});

test('what does not fit is not written', () => {
  const setpoint = vectors.commands[0].message;
  for (const wrong of [
    { seq: -1 },
    { seq: 2 ** 32 },
    { seq: 1.5 },
    { seq: undefined },
    { epoch: 0xffffffff },
    { echo: 2 ** 53 },
    { axes: { linear: -32768 } },
    { axes: { angular: NaN } },
  ]) {
    assert.throws(() => emitCommand({ ...setpoint, ...wrong }), RangeError, JSON.stringify(wrong));
  }
  const stop = { kind: 'stop', seq: 1, epoch: 1, reason: 'stale' };
  assert.throws(() => emitCommand(stop), RangeError);
});
