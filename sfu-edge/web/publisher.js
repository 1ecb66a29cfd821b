// `#publish=NAME`: this device's camera and microphone as a stream, to try things without an agent.

import { WhipPublisher } from './whip.js';

const CHECK_EVERY_MS = 1000;
const TEXTS = { idle: ['', 'not publishing'], connecting: ['warn', 'connecting'], live: ['good', 'publishing'], lost: ['bad', 'lost'] };

const el = (id) => document.getElementById(id);

export class PublisherView {
  #name;
  #token;
  #media = null;
  #publisher = null;
  #timer;

  constructor({ name, token }) {
    this.#name = name;
    this.#token = token;
  }

  start() {
    el('publish').hidden = false;
    this.#show('idle');
    el('publish-button').onclick = () => (this.#publisher ? this.#end() : this.#begin());
  }

  stop() {
    this.#end();
    el('publish').hidden = true;
  }

  async #begin() {
    try {
      if (!navigator.mediaDevices) throw new Error('A browser gives the camera to pages on localhost or HTTPS only.');
      this.#media = await navigator.mediaDevices.getUserMedia({
        video: { width: { ideal: 640 }, height: { ideal: 480 } },
        audio: true,
      });
      el('preview').srcObject = this.#media;
      const { width, height } = this.#media.getVideoTracks()[0].getSettings();
      if (width && height) el('preview').parentElement.style.aspectRatio = `${width} / ${height}`;
      const publisher = new WhipPublisher({ url: `/whip/${encodeURIComponent(this.#name)}`, token: this.#token, stream: this.#media });
      this.#publisher = publisher;
      publisher.addEventListener('state', () => this.#show(publisher.state, publisher.detail));
      el('publish-button').textContent = 'Stop';
      await publisher.start();
      this.#timer = setInterval(() => this.#check(), CHECK_EVERY_MS);
    } catch (error) {
      this.#end();
      this.#show('lost', error.message);
    }
  }

  async #check() {
    const found = await this.#publisher?.check().catch(() => 'gone');
    if (!found || found === 'live') return;
    this.#end();
    this.#show('lost', found === 'taken-over' ? 'Another publisher took this stream over.' : 'The session ended.');
  }

  #end() {
    clearInterval(this.#timer);
    this.#publisher?.stop();
    this.#publisher = null;
    this.#media?.getTracks().forEach((track) => track.stop());
    this.#media = null;
    el('preview').srcObject = null;
    el('publish-button').textContent = 'Publish this camera';
    this.#show('idle');
  }

  #show(state, detail = '') {
    const [tone, text] = TEXTS[state];
    el('publish-badge').className = `badge ${tone}`;
    el('publish-text').textContent = `${this.#name} · ${detail || text}`;
  }
}
