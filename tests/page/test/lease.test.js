// The page's side of the lease: its form against the vectors that the server's is tested with, and what it says.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { say } from '../../../sfu-edge/web/control/lease-panel.js';
import { emitNotice, emitRequest, parseNotice, parseRequest } from '../../../sfu-edge/web/control/lease-wire.js';
import { Lease } from '../../../sfu-edge/web/control/lease.js';

const vectors = JSON.parse(
  readFileSync(new URL('../../data/control/lease.json', import.meta.url), 'utf8'),
);

function bytes(hex) {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

function hex(message) {
  return Buffer.from(message).toString('hex');
}

const BOTH = [
  ['requests', parseRequest, emitRequest],
  ['notices', parseNotice, emitNotice],
];

for (const [list, parse, emit] of BOTH) {
  test(`${list} are read and written, and what is none is refused by name`, () => {
    assert.ok(vectors[list].length > 10);
    for (const { name, hex: text, message } of vectors[list]) {
      assert.deepEqual(parse(bytes(text)), message, name);
      assert.equal(hex(emit(message)), text, name);
    }
    const refused = vectors[`refused_${list}`];
    assert.ok(refused.length > 10);
    for (const { name, hex: text, error } of refused) {
      assert.throws(() => parse(bytes(text)), { name: 'WireError', code: error }, name);
    }
  });
}

test('a notice inside of a larger buffer is read where it lies', () => {
  const { hex: text, message } = vectors.notices.find(({ name }) => name === 'somebody asks');
  const outer = new Uint8Array(100);
  outer.set(bytes(text), 7);
  assert.deepEqual(parseNotice(outer.subarray(7, 87)), message);
});

test('what does not fit is not written', () => {
  for (const wrong of [
    { number: 1, action: 'steal' },
    { number: -1, action: 'ask' },
    { number: 1, action: 'grant' },
    { number: 1, action: 'ask', about: 3 },
    { number: 1, action: 'grant', about: 2 ** 32 },
  ]) {
    assert.throws(() => emitRequest(wrong), RangeError, JSON.stringify(wrong));
  }
  const holder = { source: 1, name: 'ä'.repeat(13), firmMs: null, asker: null };
  assert.throws(() => emitNotice({ lease: 1, you: 1, holder }), RangeError);
});

const ME = { source: 0x3f2a91c0, name: 'drive', firmMs: 6000, asker: null };
const OTHER = { source: 9, name: 'neighbour', firmMs: 6000, asker: null };

// A lease that was told this, and what of it is said.
function told({ refused, ...notice }) {
  const lease = new Lease();
  lease.pollTransmit(0);
  if (refused) lease.request(0, 'ask');
  const answer = refused ? { number: 2, result: refused } : null;
  lease.handleMessage(1000, emitNotice({ lease: 4, you: ME.source, answer, ...notice }));
  return say(lease.status(2000));
}

test('what is said, and which buttons there are', () => {
  const [free, mine] = [told({}), told({ holder: ME })];
  assert.deepEqual([free.text, free.buttons], ['Nobody has the lease', ['lease-take']]);
  assert.deepEqual([mine.text, mine.buttons], ['You have the lease', ['lease-release']]);
  const soft = told({ holder: { ...ME, firmMs: null } });
  assert.deepEqual([soft.text, soft.buttons], ['You have the lease while it is armed', ['lease-take']]);
  const theirs = told({ holder: OTHER });
  assert.deepEqual([theirs.text, theirs.buttons], ['neighbour #0000 has the lease', ['lease-ask']]);
  assert.deepEqual(told({ holder: OTHER, admin: true }).buttons, ['lease-ask', 'lease-override']);
  const asked = told({ holder: { ...ME, asker: { source: 9, name: '', leftMs: 9500 } } });
  assert.deepEqual([asked.text, asked.wait], ['#0000 asks for the lease', '9 s']);
  assert.deepEqual(asked.buttons, ['lease-grant', 'lease-deny']);
  const asks = told({ holder: { ...OTHER, asker: { source: ME.source, name: 'drive', leftMs: 9500 } } });
  assert.deepEqual([asks.text, asks.buttons], ['Asked neighbour #0000 for the lease', ['lease-release']]);
});

test('why nothing came of it is said until the next press', () => {
  assert.match(told({ holder: OTHER, refused: 'denied' }).text, /^They keep it\. neighbour/);
  assert.match(told({ refused: 'no_device' }).text, /^The robot is away\. Nobody/);
  const lease = new Lease();
  lease.request(0, 'ask');
  lease.handleMessage(1, emitNotice({ lease: 1, you: 7, holder: OTHER, answer: { number: 1, result: 'busy' } }));
  lease.handleMessage(2, emitNotice({ lease: 1, you: 7, holder: OTHER }));
  assert.equal(lease.status(3).refused, 'busy', 'news of others is no answer');
  lease.request(4, 'ask');
  assert.equal(lease.status(5).refused, null);
  lease.handleMessage(6, emitNotice({ lease: 1, you: 7, holder: OTHER, answer: { number: 1, result: 'denied' } }));
  assert.equal(lease.status(7).refused, null, 'an answer to an earlier request');
});

test('what waits to be sent is bounded', () => {
  const lease = new Lease();
  for (let n = 0; n < 100; n += 1) lease.request(n, 'ask');
  let count = 0;
  while (lease.pollTransmit(100)) count += 1;
  assert.equal(count, 8);
});
