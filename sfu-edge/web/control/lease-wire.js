// The binary form of what operators and the server say about the lease: the twin of control/src/wire/lease.rs,
// held to the same test vectors.
//
// Requests (operator to server):
//   { kind: 'request', number, action, about }
//   action: 'query'|'acquire'|'renew'|'release'|'ask'|'grant'|'deny'|'override'; about: the asker's source
//   for 'grant' and 'deny', else 0
// Notices (server to operator):
//   { kind: 'notice', lease, you, admin, holder, answer }
//   holder: { source, name, firmMs, asker: { source, name, leftMs } or null } or null; firmMs null: not firm
//   answer: { number, result } or null
//
// Parsing throws a WireError whose `code` names what is wrong: length, version, kind, reserved, action,
// result, name. Emitting throws a RangeError where a value does not fit.

import { VERSION, WireError } from './wire.js';

const REQUEST = 64;
const NOTICE = 192;
const REQUEST_LENGTH = 12;
const NOTICE_LENGTH = 80;
const NAME_LENGTH = 24;
const [FIRM, ADMIN] = [1, 2];
const ACTIONS = ['query', 'acquire', 'renew', 'release', 'ask', 'grant', 'deny', 'override'];
const ABOUT = ['grant', 'deny'];
const RESULTS = [
  null, 'done', 'asked', 'held', 'busy', 'not_holder', 'nobody_asks', 'denied', 'lapsed', 'not_admin', 'no_device',
  'no_lease', 'over',
];

export function isNotice(bytes) {
  return bytes[1] === NOTICE;
}

export function parseRequest(bytes) {
  const view = open(bytes, REQUEST, REQUEST_LENGTH);
  if (view.getUint8(3) !== 0) refuse('reserved');
  const code = view.getUint8(2);
  const action = ACTIONS[code] ?? refuse('action', code);
  const about = view.getUint32(8);
  if (ABOUT.includes(action) && about === 0) refuse('action', code);
  if (!ABOUT.includes(action) && about !== 0) refuse('reserved');
  return { kind: 'request', number: view.getUint32(4), action, about };
}

export function emitRequest({ number, action, about = 0 }) {
  const view = new DataView(new ArrayBuffer(REQUEST_LENGTH));
  if (ABOUT.includes(action) !== about > 0) throw new RangeError(`${action} about ${about}`);
  view.setUint8(0, VERSION);
  view.setUint8(1, REQUEST);
  view.setUint8(2, code(ACTIONS, action));
  view.setUint32(4, u32(number));
  view.setUint32(8, u32(about));
  return new Uint8Array(view.buffer);
}

export function parseNotice(bytes) {
  const view = open(bytes, NOTICE, NOTICE_LENGTH);
  const flags = view.getUint8(2);
  if (flags > (FIRM | ADMIN)) refuse('reserved');
  const [firm, admin] = [(flags & FIRM) !== 0, (flags & ADMIN) !== 0];
  const resultCode = view.getUint8(3);
  const result = RESULTS[resultCode] ?? (resultCode === 0 ? null : refuse('result', resultCode));
  const number = view.getUint32(4);
  if (result === null && number !== 0) refuse('reserved');
  const party = partyAt(view, 16, 32);
  const asker = partyAt(view, 20, 56);
  const [firmMs, leftMs] = [view.getUint32(24), view.getUint32(28)];
  // What belongs to nobody must be zero.
  if ((!firm && firmMs !== 0) || (!asker && leftMs !== 0)) refuse('reserved');
  if (!party && (firm || asker)) refuse('reserved');
  return {
    kind: 'notice',
    lease: view.getUint32(8),
    you: view.getUint32(12),
    admin,
    holder: party && { ...party, firmMs: firm ? firmMs : null, asker: asker && { ...asker, leftMs } },
    answer: result && { number, result },
  };
}

export function emitNotice({ lease, you, admin = false, holder = null, answer = null }) {
  const bytes = new Uint8Array(NOTICE_LENGTH);
  const view = new DataView(bytes.buffer);
  const asker = holder?.asker ?? null;
  const firmMs = holder?.firmMs ?? null;
  bytes.set([VERSION, NOTICE, (firmMs === null ? 0 : FIRM) | (admin ? ADMIN : 0), answer ? code(RESULTS, answer.result) : 0]);
  const words = [answer?.number, lease, you, holder?.source, asker?.source, firmMs, asker?.leftMs];
  words.forEach((word, n) => view.setUint32(4 + 4 * n, u32(word ?? 0)));
  [holder, asker].forEach((party, n) => {
    const name = new TextEncoder().encode(party?.name ?? '');
    if (name.length > NAME_LENGTH) throw new RangeError(`the name ${party.name} is too long`);
    bytes.set(name, 32 + NAME_LENGTH * n);
  });
  return bytes;
}

function open(bytes, kind, length) {
  if (bytes.length < 1) refuse('length', bytes.length);
  if (bytes[0] !== VERSION) refuse('version', bytes[0]);
  if (bytes.length < 2) refuse('length', bytes.length);
  if (bytes[1] !== kind) refuse('kind', bytes[1]);
  if (bytes.length !== length) refuse('length', bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function partyAt(view, sourceAt, nameAt) {
  const source = view.getUint32(sourceAt);
  const field = new Uint8Array(view.buffer, view.byteOffset + nameAt, NAME_LENGTH);
  const length = [...field, 0].indexOf(0);
  if (field.subarray(length).some((byte) => byte !== 0)) refuse('name');
  let name;
  try {
    name = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(field.subarray(0, length));
  } catch {
    refuse('name');
  }
  if (/[\u0000-\u001f\u007f-\u009f]/.test(name)) refuse('name');
  if (source === 0) return name === '' ? null : refuse('name');
  return { source, name };
}

function code(list, value) {
  const at = list.indexOf(value);
  if (at < 0) throw new RangeError(`no ${value} among ${list.join(', ')}`);
  return at;
}

function u32(value) {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`${value} is no number of 32 bits`);
  return value;
}

function refuse(...why) {
  throw new WireError(...why);
}
