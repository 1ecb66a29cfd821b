// A WHIP publisher (RFC 9725) of a MediaStream. It publishes once; whoever holds it decides what to do
// when it is lost.
//
//   const publisher = new WhipPublisher({ url: '/whip/door', token, stream });
//   publisher.addEventListener('state', () => console.log(publisher.state, publisher.detail));
//   await publisher.start();
//
// States: idle, connecting, live, lost (with a detail).

import { Refusal, bearer, within } from './api.js';

const POST_LIMIT_MS = 6000;

export class WhipPublisher extends EventTarget {
  #url;
  #token;
  #stream;
  #codec;
  #peer = null;
  #session = null;
  #state = 'idle';
  #detail = '';

  // `codec` (such as 'video/H264') publishes the picture in that codec only.
  constructor({ url, token = null, stream, codec = null }) {
    super();
    this.#url = new URL(url, location.href);
    this.#token = token;
    this.#stream = stream;
    this.#codec = codec;
  }

  get state() {
    return this.#state;
  }

  get detail() {
    return this.#detail;
  }

  get peer() {
    return this.#peer;
  }

  get session() {
    return this.#session;
  }

  // Resolves when the answer is taken.
  async start() {
    const peer = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
    this.#peer = peer;
    this.#become('connecting');
    for (const track of this.#stream.getTracks()) {
      const transceiver = peer.addTransceiver(track, { direction: 'sendonly', streams: [this.#stream] });
      if (track.kind === 'video' && this.#codec) prefer(transceiver, this.#codec);
    }
    peer.onconnectionstatechange = () => {
      if (peer.connectionState === 'connected') this.#become('live');
      if (peer.connectionState === 'failed') this.#become('lost', 'The connection broke.');
    };
    try {
      await peer.setLocalDescription();
      const response = await fetch(this.#url, {
        method: 'POST',
        headers: { 'content-type': 'application/sdp', ...bearer(this.#token) },
        body: peer.localDescription.sdp,
        signal: within(POST_LIMIT_MS),
      });
      if (response.status !== 201) throw await Refusal.of(response);
      this.#session = new URL(response.headers.get('location'), this.#url);
      await peer.setRemoteDescription({ type: 'answer', sdp: await response.text() });
    } catch (error) {
      this.#close();
      this.#become('lost', error.message);
      throw error;
    }
  }

  // Whether the session lives: 'live', 'gone' or 'taken-over'.
  async check() {
    if (!this.#session) return 'gone';
    const response = await fetch(this.#session, { method: 'HEAD', headers: bearer(this.#token), signal: within(2000) });
    if (response.ok) return 'live';
    return response.status === 409 ? 'taken-over' : 'gone';
  }

  stop() {
    this.#close();
    this.#become('idle');
  }

  #close() {
    const [peer, session] = [this.#peer, this.#session];
    [this.#peer, this.#session] = [null, null];
    if (!session) return peer?.close();
    // DELETE first, so that the server hears of the end once and in order; keepalive: it goes out
    // even when the page is going.
    const request = { method: 'DELETE', headers: bearer(this.#token), keepalive: true, signal: within(1000) };
    return fetch(session, request).catch(() => {}).finally(() => peer?.close());
  }

  #become(state, detail = '') {
    if (state === this.#state && detail === this.#detail) return;
    this.#state = state;
    this.#detail = detail;
    this.dispatchEvent(new Event('state'));
  }
}

function prefer(transceiver, mimeType) {
  const { codecs } = RTCRtpSender.getCapabilities('video');
  const wanted = (codec) => [mimeType, 'video/rtx'].some((m) => m.toLowerCase() === codec.mimeType.toLowerCase());
  transceiver.setCodecPreferences(codecs.filter(wanted));
}
