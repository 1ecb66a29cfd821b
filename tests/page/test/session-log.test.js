// The log of a session.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SessionLog } from '../../../sfu-edge/web/control/session-log.js';

const read = (log, now) => log.text({ stream: 'door', origin: 1_700_000_000_000, now }).join('').trimEnd().split('\n').map((line) => JSON.parse(line));

test('its first line says what the others mean', () => {
  const log = new SessionLog();
  log.note(12.34567, 'sent', { kind: 'stop', seq: 4 });
  log.note(11_000, 'phase', { phase: 'stopped', reason: 'operator' });
  const [head, ...rest] = read(log, 20_000);
  assert.equal(head.format, 'transom-session-log');
  assert.deepEqual([head.version, head.stream, head.chunks_lost], [1, 'door', 0]);
  assert.equal(head.written, '2023-11-14T22:13:40.000Z');
  assert.equal(head.t.zero, '2023-11-14T22:13:20.000Z');
  assert.deepEqual(rest, [
    { t: 12.346, what: 'sent', kind: 'stop', seq: 4 },
    { t: 11_000, what: 'phase', phase: 'stopped', reason: 'operator' },
  ]);
  assert.ok(rest.every(({ what }) => typeof head.what[what] === 'string'));
});

test('it keeps the latest half hour and no more', () => {
  const log = new SessionLog({ keptMs: 60_000 });
  for (let now = 0; now <= 300_000; now += 100) log.note(now, 'shown', { stamp: now });
  const [head, ...rest] = read(log, 300_000);
  assert.ok(rest.length >= 600 && rest.length <= 720, `${rest.length}`);
  assert.equal(rest.at(-1).t, 300_000);
  assert.ok(rest[0].t <= 240_000 && rest[0].t >= 228_000, `${rest[0].t}`);
  assert.ok(head.chunks_lost > 20);
  assert.deepEqual(rest.map(({ t }) => t), rest.map((_, n) => rest[0].t + n * 100), 'in order, without a gap');
});

test('a flood of events does not grow it', () => {
  const log = new SessionLog({ most: 100_000 });
  for (let now = 0; now < 200_000; now += 5) log.note(now, 'shown', { stamp: now });
  const size = log.text({ stream: '', origin: 0, now: 0 }).join('').length;
  assert.ok(size < 110_000 && size > 20_000, `${size}`);
});
