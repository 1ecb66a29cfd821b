// An operator's side of the lease: what was asked of the server, what it told, and a renewal now and then while
// somebody is there. A value: no DOM, no timers, no channels.
//
//   const lease = new Lease();
//   lease.request(now, 'acquire');     // or 'ask', 'release', 'grant', 'deny', 'override'
//   lease.handleMessage(now, bytes);   // whether it was a notice; null: one that is malformed
//   for (let bytes; (bytes = lease.pollTransmit(now)); ) reliable.send(bytes);
//   lease.present(now)                 // a hand or a key: a page that nobody minds keeps nothing from others
//   lease.leave(now)                   // nobody looks: if nobody comes back within seconds, it is given up
//   lease.close()                      // the channels are gone
//
// status(now):
//   known     the server has told
//   mine      we hold it
//   firm      its holder keeps it while the robot rests too
//   holder    what its holder is called, or null: nobody has it
//   asker     what the one is called who asks for it, or null
//   asking    that is us
//   leftMs    until the asking counts as denied
//   admin     we may override
//   refused   why the last request came to nothing, as the server says: 'denied', 'lapsed', ...; or null

import { emitRequest, isNotice, parseNotice } from './lease-wire.js';
import { WireError } from './wire.js';

const RENEW_EVERY_MS = 2000;
// Without a touch for so long, nobody minds the page.
const PRESENT_MS = 120_000;
// A page that is hidden gives the lease up after this.
const HIDDEN_MS = 6000;
const MOST_WAITING = 8;
const FINE = ['done', 'asked'];

export class Lease {
  #notice = null;
  #toldAt = 0;
  #number = 0;
  #out = [];
  #asked = false;
  #nextRenewal = 0;
  #presentUntil = -Infinity;
  // The number of the last request of a hand.
  #pressed = 0;
  #refused = null;

  request(now, action) {
    const asker = this.#notice?.holder?.asker;
    const about = action === 'grant' || action === 'deny' ? asker?.source : 0;
    if (about === undefined) return;
    this.present(now);
    this.#refused = null;
    this.#pressed = this.#say(action, about);
  }

  present(now) {
    this.#presentUntil = now + PRESENT_MS;
  }

  leave(now) {
    this.#presentUntil = Math.min(this.#presentUntil, now + HIDDEN_MS);
  }

  close() {
    this.#notice = null;
    this.#out = [];
    this.#asked = false;
    this.#refused = null;
  }

  handleMessage(now, bytes) {
    if (!isNotice(bytes)) return false;
    let notice;
    try {
      notice = parseNotice(bytes);
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      return null;
    }
    const held = this.#isMine();
    this.#notice = notice;
    this.#toldAt = now;
    if (!held && this.#isMine()) this.#nextRenewal = now + RENEW_EVERY_MS;
    const { answer } = notice;
    if (answer?.number === this.#pressed && this.#pressed > 0) {
      this.#refused = FINE.includes(answer.result) ? null : answer.result;
    }
    return true;
  }

  pollTransmit(now) {
    if (!this.#asked) {
      this.#asked = true;
      this.#say('query', 0);
    }
    if (this.#keeps() && now >= this.#nextRenewal) {
      this.#nextRenewal = now + RENEW_EVERY_MS;
      this.#say(now < this.#presentUntil ? 'renew' : 'release', 0);
    }
    return this.#out.shift() ?? null;
  }

  pollTimeout(now) {
    if (!this.#asked || this.#out.length > 0) return now;
    return this.#keeps() ? this.#nextRenewal : Infinity;
  }

  // Whether it is somebody else's, though the robot rests.
  get isElsewhere() {
    const holder = this.#notice?.holder;
    return Boolean(holder) && holder.firmMs !== null && !this.#isMine();
  }

  status(now) {
    const { holder = null, you = 0, admin = false } = this.#notice ?? {};
    const asker = holder?.asker ?? null;
    return {
      known: this.#notice !== null,
      mine: this.#isMine(),
      firm: holder !== null && holder.firmMs !== null,
      holder: holder && called(holder),
      asker: asker && called(asker),
      asking: asker !== null && asker.source === you,
      leftMs: asker ? Math.max(0, asker.leftMs - (now - this.#toldAt)) : 0,
      admin,
      refused: this.#refused,
    };
  }

  #isMine() {
    return this.#notice?.holder?.source === this.#notice?.you && this.#notice !== null;
  }

  #keeps() {
    return this.#isMine() && this.#notice.holder.firmMs !== null;
  }

  #say(action, about) {
    this.#number += 1;
    if (this.#out.length < MOST_WAITING) this.#out.push(emitRequest({ number: this.#number, action, about }));
    return this.#number;
  }
}

// Several may have one token, and its name: the number tells them apart.
function called({ name, source }) {
  const tag = source.toString(16).padStart(8, '0').slice(0, 4);
  return name === '' ? `#${tag}` : `${name} #${tag}`;
}
