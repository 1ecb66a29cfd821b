// A WHEP player (draft-ietf-wish-whep-03) that comes back by itself.
//
//   const player = new WhepPlayer({ url: '/whep/door', token, video });
//   player.addEventListener('state', () => console.log(player.state, player.detail));
//   player.start();
//
// States: idle, connecting, live, stalled (no new picture, the session lives), absent (nothing comes,
// the session lives), waiting (nobody publishes, or the server is busy), offline (the server does not
// answer), failed (what was tried went wrong, it is tried again), denied (the token is refused: final).

import { Refusal, bearer, within } from './api.js';

const POST_LIMIT_MS = 6000;
const CONNECT_LIMIT_MS = 8000;
const HEAD_LIMIT_MS = 1500;
const FAREWELL_LIMIT_MS = 1000;
const LOOK_EVERY_MS = 250;
// No frame for this long, and the server is asked whether the session lives.
const QUIET_MS = 1000;
const PULSE_EVERY_MS = 500;
const FIRST_BACKOFF_MS = 250;
const LAST_BACKOFF_MS = 8000;

class NoPath extends Error {}

export class WhepPlayer extends EventTarget {
  #url;
  #token;
  #video;
  #onPeer;
  #run = null;
  #peer = null;
  #session = null;
  #state = 'idle';
  #detail = '';
  #failures = 0;
  #wake = () => {};

  // `onPeer` gets each RTCPeerConnection before it makes its offer, to ask for data channels with it.
  constructor({ url, token = null, video = null, onPeer = () => {} }) {
    super();
    this.#url = new URL(url, location.href);
    this.#token = token;
    this.#video = video;
    this.#onPeer = onPeer;
  }

  get state() {
    return this.#state;
  }

  // A sentence for people, where there is something to say.
  get detail() {
    return this.#detail;
  }

  // The RTCPeerConnection of the moment, for getStats.
  get peer() {
    return this.#peer;
  }

  // The session's address; null when there is none.
  get session() {
    return this.#session;
  }

  start() {
    if (this.#run) return;
    this.#run = new AbortController();
    this.#loop(this.#run.signal);
  }

  stop() {
    this.#run?.abort();
    this.#run = null;
    this.#close();
    if (this.#video) this.#video.srcObject = null;
    this.#become('idle');
  }

  // Tries now what would be tried later.
  retry() {
    this.#wake();
  }

  async #loop(signal) {
    while (!signal.aborted) {
      let wait;
      try {
        this.#become('connecting');
        await this.#connect(signal);
        await this.#stay(signal);
        wait = this.#backoff();
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof Refusal && error.isDenied) {
          this.#close();
          this.#become('denied', error.message);
          return;
        }
        wait = await this.#judge(error, signal);
      }
      this.#close();
      await this.#pause(wait, signal);
    }
  }

  // What went wrong, and how long to wait because of it.
  async #judge(error, signal) {
    const wait = this.#backoff();
    if (error instanceof Refusal) {
      const expected = [409, 429, 503].includes(error.status);
      this.#become(expected ? 'waiting' : 'failed', error.message);
      return Math.max(wait, error.retryAfterMs);
    }
    if (error instanceof NoPath) {
      this.#become('failed', error.message);
      return wait;
    }
    this.#close();
    this.#become('offline', 'The server does not answer.');
    await this.#untilPulse(signal);
    this.#failures = 0;
    return 0;
  }

  async #connect(signal) {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#peer = peer;
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addTransceiver('audio', { direction: 'recvonly' });
    const stream = new MediaStream();
    peer.ontrack = ({ track, receiver }) => {
      // Show what came as soon as it came; the browser grows the buffer where the network asks for it.
      if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
      stream.addTrack(track);
      // The last picture stays until there is a new one.
      track.addEventListener('unmute', () => this.#show(peer, stream), { once: true });
    };
    this.#onPeer(peer);
    await peer.setLocalDescription();
    // No waiting for candidates: the server is reachable, and learns ours from our checks.
    const response = await fetch(this.#url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', ...bearer(this.#token) },
      body: peer.localDescription.sdp,
      signal: within(POST_LIMIT_MS, signal),
    });
    if (response.status !== 201) throw await Refusal.of(response);
    this.#session = new URL(response.headers.get('location'), this.#url);
    await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    await connected(peer, signal);
  }

  // Resolves when the session is over.
  async #stay(signal) {
    const peer = this.#peer;
    let seen = { frames: 0, packets: 0 };
    let frameAt = performance.now();
    let packetAt = frameAt;
    let askAt = frameAt;
    for (;;) {
      await sleep(LOOK_EVERY_MS, signal);
      if (['failed', 'closed'].includes(peer.connectionState)) return;
      const now = performance.now();
      const progress = await received(peer);
      if (progress.packets > seen.packets) packetAt = now;
      if (progress.frames > seen.frames) {
        frameAt = now;
        this.#failures = 0;
        this.#become('live');
      }
      seen = progress;
      if (now - frameAt < QUIET_MS || now < askAt) continue;
      if (!(await this.#lives(signal))) return;
      askAt = now + QUIET_MS;
      if (now - packetAt < QUIET_MS) this.#become('stalled', 'No new picture.');
      else this.#become('absent', 'The publisher is away.');
    }
  }

  async #lives(signal) {
    const response = await fetch(this.#session, {
      method: 'HEAD',
      headers: bearer(this.#token),
      signal: within(HEAD_LIMIT_MS, signal),
    });
    if (response.ok) return true;
    if (response.status === 401 || response.status === 403) throw await Refusal.of(response);
    this.#session = null;
    return false;
  }

  async #untilPulse(signal) {
    for (;;) {
      await this.#pause(PULSE_EVERY_MS, signal);
      if (signal.aborted) return;
      try {
        const response = await fetch(new URL('/healthz', this.#url), {
          cache: 'no-store',
          signal: within(HEAD_LIMIT_MS, signal),
        });
        if (response.ok) return;
      } catch {
        // Still away.
      }
    }
  }

  #show(peer, stream) {
    if (peer !== this.#peer || !this.#video || this.#video.srcObject === stream) return;
    this.#video.srcObject = stream;
    this.#video.play().catch(() => {
      // Sound was not allowed yet: the picture is.
      this.#video.muted = true;
      this.#video.play().catch(() => {});
    });
  }

  #close() {
    const [peer, session] = [this.#peer, this.#session];
    [this.#peer, this.#session] = [null, null];
    farewell(peer, session, this.#token);
  }

  // Nothing the first time; then longer and longer, never in step with other players.
  #backoff() {
    const n = this.#failures;
    this.#failures += 1;
    if (n === 0) return 0;
    const ms = Math.min(FIRST_BACKOFF_MS * 2 ** (n - 1), LAST_BACKOFF_MS);
    return ms * (0.75 + Math.random() / 2);
  }

  #pause(ms, signal) {
    return new Promise((resolve) => {
      const timer = setTimeout(done, ms);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
      function done() {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      }
    });
  }

  #become(state, detail = '') {
    if (state === this.#state && detail === this.#detail) return;
    this.#state = state;
    this.#detail = detail;
    this.dispatchEvent(new Event('state'));
  }
}

// DELETE first, so that the server hears of the end once and in order.
function farewell(peer, session, token) {
  if (!session) return peer?.close();
  // keepalive: it goes out even when the page is going.
  const request = { method: 'DELETE', headers: bearer(token), keepalive: true, signal: within(FAREWELL_LIMIT_MS) };
  return fetch(session, request).catch(() => {}).finally(() => peer?.close());
}

function connected(peer, signal) {
  return new Promise((resolve, reject) => {
    const lost = new NoPath('No way to the media port: a firewall may block UDP, or the server offers the wrong address (see advertise in transom-sfu.toml).');
    const timer = setTimeout(() => settle(reject, lost), CONNECT_LIMIT_MS);
    const look = () => {
      if (peer.connectionState === 'connected') settle(resolve);
      else if (['failed', 'closed'].includes(peer.connectionState)) settle(reject, lost);
    };
    const aborted = () => settle(reject, signal.reason);
    const settle = (how, what) => {
      clearTimeout(timer);
      peer.removeEventListener('connectionstatechange', look);
      signal.removeEventListener('abort', aborted);
      how(what);
    };
    peer.addEventListener('connectionstatechange', look);
    signal.addEventListener('abort', aborted);
    look();
  });
}

// Where there is no picture, sound counts for frames.
async function received(peer) {
  const inbound = [...(await peer.getStats()).values()].filter((s) => s.type === 'inbound-rtp');
  const packets = inbound.reduce((sum, s) => sum + (s.packetsReceived ?? 0), 0);
  const video = inbound.find((s) => s.kind === 'video');
  return { packets, frames: video ? (video.framesDecoded ?? 0) : packets };
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', aborted);
      resolve();
    }, ms);
    signal.addEventListener('abort', aborted, { once: true });
  });
}
