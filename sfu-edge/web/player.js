// The player's part of the page: one stream in the video element, its state, sound and figures.

import { DrivePanel } from './control/panel.js';
import { Figures } from './figures.js';
import { Frames } from './frames.js';
import { WhepPlayer } from './whep.js';

const SOUND_KEY = 'transom.sound';
const TRACE_POINTS = 120;

const BADGES = {
  idle: ['', 'stopped'],
  connecting: ['warn', 'connecting'],
  live: ['good', 'live'],
  stalled: ['warn', 'no new picture'],
  absent: ['warn', 'publisher away'],
  waiting: ['warn', 'waiting'],
  offline: ['bad', 'server away'],
  failed: ['bad', 'not connected'],
  denied: ['bad', 'not allowed'],
};

const el = (id) => document.getElementById(id);

export class PlayerView {
  #stream;
  #player;
  #figures;
  #video = el('video');
  #panel = new DrivePanel();
  #trace = [];
  #endings = new AbortController();

  constructor({ stream, token, clock, onDenied }) {
    this.#stream = stream;
    this.#player = new WhepPlayer({
      url: `/whep/${encodeURIComponent(stream)}`,
      token,
      video: this.#video,
      // A server that has none to give refuses the channels, not the picture.
      onPeer: (peer) => this.#panel.drive.open(peer),
    });
    this.#figures = new Figures(this.#player, this.#video, clock);
    const { signal } = this.#endings;
    this.#player.addEventListener('state', () => {
      this.#showState();
      if (this.#player.state === 'denied') onDenied(this.#player.detail);
    });
    el('sound').addEventListener('click', () => this.#toggleSound(), { signal });
    el('log').addEventListener('click', () => this.#saveLog(), { signal });
    el('fullscreen').addEventListener('click', () => toggleFullscreen(), { signal });
    this.#video.addEventListener('volumechange', () => this.#showSound(), { signal });
    this.#video.addEventListener('resize', () => this.#fit(), { signal });
    // From the back-forward cache.
    addEventListener('pageshow', (event) => event.persisted && this.#player.start(), { signal });
    addEventListener('online', () => this.#player.retry(), { signal });
  }

  get stream() {
    return this.#stream;
  }

  get player() {
    return this.#player;
  }

  get drive() {
    return this.#panel.drive;
  }

  get latencies() {
    return this.#panel.latencies;
  }

  start() {
    el('stage').hidden = false;
    // First of all, so that a page that goes says stop before it says goodbye.
    this.#panel.start();
    addEventListener('pagehide', () => this.#player.stop(), { signal: this.#endings.signal });
    this.#video.muted = !soundWanted();
    this.#showSound();
    this.#showState();
    this.#player.start();
    const frames = new Frames(this.#video, () => this.#player.peer);
    frames.watch((frame) => this.#panel.saw(frame), this.#endings.signal);
    this.#figures.start((stats) => this.#showFigures(stats));
  }

  stop() {
    this.#endings.abort();
    this.#panel.stop();
    this.#figures.stop();
    this.#player.stop();
    el('stage').hidden = true;
  }

  stats() {
    return { ...this.#figures.stats(), stream: this.#stream };
  }

  // The list says that it is published: no need to wait any longer.
  published() {
    if (this.#player.state === 'waiting') this.#player.retry();
  }

  #saveLog() {
    const now = performance.now();
    const text = this.#panel.log.text({ stream: this.#stream, origin: performance.timeOrigin, now });
    const day = new Date(performance.timeOrigin + now).toISOString().replace(/[:.]/g, '-');
    save(`transom-${this.#stream.replace(/[^\w-]/g, '-')}-${day}.jsonl`, new Blob(text, { type: 'application/jsonl' }));
  }

  #showState() {
    const { state, detail } = this.#player;
    this.#panel.picture(state);
    const [tone, text] = BADGES[state];
    el('badge').className = `badge ${tone}`;
    el('badge').dataset.state = state;
    el('badge-text').textContent = `${this.#stream} · ${text}`;
    const quiet = state === 'live';
    el('veil').classList.toggle('off', quiet);
    el('veil').classList.toggle('still', ['idle', 'denied'].includes(state));
    el('veil-text').textContent = quiet ? '' : sentence(state, detail);
    el('spoken').textContent = quiet ? `${this.#stream} is live` : sentence(state, detail);
  }

  #toggleSound() {
    this.#video.muted = !this.#video.muted;
    if (!this.#video.muted) this.#video.play().catch(() => {});
    remember(SOUND_KEY, this.#video.muted ? 'off' : 'on');
  }

  #showSound() {
    const on = !this.#video.muted;
    el('sound').setAttribute('aria-pressed', String(on));
    el('sound-text').textContent = on ? 'Sound off' : 'Sound on';
  }

  #fit() {
    const { videoWidth: width, videoHeight: height } = this.#video;
    if (width > 0 && height > 0) el('screen').style.aspectRatio = `${width} / ${height}`;
  }

  #showFigures(stats) {
    const known = stats.frames > 0;
    const text = (id, value) => {
      el(id).textContent = known ? value : '–';
    };
    el('latency').textContent = milliseconds(stats);
    el('latency-source').textContent = { timecode: 'measured', estimated: 'estimated', unknown: 'unknown' }[stats.latencySource];
    el('latency-source').className = `tag ${stats.latencySource}`;
    el('latency-note').textContent = explain(stats);
    text('fps', stats.fps.toFixed(0));
    const mega = stats.bitrate >= 1e6;
    text('bitrate', mega ? (stats.bitrate / 1e6).toFixed(2) : (stats.bitrate / 1e3).toFixed(0));
    el('bitrate-unit').textContent = mega ? 'Mbit/s' : 'kbit/s';
    text('loss', (stats.loss * 100).toFixed(1));
    text('freezes', stats.freezes);
    el('freeze-time').textContent = stats.freezes > 0 ? `${(stats.freezeMs / 1000).toFixed(1)} s` : '';
    text('resolution', `${stats.width}×${stats.height}`);
    text('codec', stats.codec ?? '–');
    this.#drawTrace(stats.latencyMs);
  }

  #drawTrace(latency) {
    this.#trace.push(latency);
    if (this.#trace.length > TRACE_POINTS) this.#trace.shift();
    const known = this.#trace.filter((v) => v !== null);
    const top = Math.max(50, ...known) * 1.1;
    const start = TRACE_POINTS - this.#trace.length;
    const points = this.#trace.flatMap((v, i) => (v === null ? [] : [`${start + i},${(31 - (Math.max(0, v) / top) * 30).toFixed(1)}`]));
    el('trace-line').setAttribute('points', points.join(' '));
  }
}

function sentence(state, detail) {
  switch (state) {
    case 'connecting':
      return 'Connecting…';
    case 'waiting':
      return /nobody publishes/.test(detail) ? 'Nobody publishes this stream now. It starts by itself.' : detail;
    case 'absent':
      return 'The publisher is away. The picture returns with it.';
    case 'stalled':
      return 'No new picture for a moment.';
    case 'offline':
      return 'The server does not answer. Trying again…';
    default:
      return detail;
  }
}

// An estimate leaves out camera and encoder: below this it says no more than 'little'.
const LEAST_ESTIMATE_MS = 5;

function milliseconds({ latencyMs, latencySource }) {
  if (latencyMs === null) return '–';
  if (latencySource === 'estimated' && latencyMs < LEAST_ESTIMATE_MS) return `< ${LEAST_ESTIMATE_MS}`;
  return latencyMs.toFixed(0);
}

function explain({ latencySource, clockOffsetMs, clockErrorMs, roundTripMs, bufferMs, decodeMs }) {
  const ms = (value) => (value === null ? '?' : value.toFixed(value < 10 ? 1 : 0));
  if (latencySource === 'timecode') {
    const offset = `${clockOffsetMs < 0 ? '−' : '+'}${ms(Math.abs(clockOffsetMs))}`;
    return `by the picture’s time code; clocks ${offset} ± ${ms(clockErrorMs)} ms`;
  }
  if (latencySource === 'estimated') {
    return `network ${ms(roundTripMs / 2)} + buffer ${ms(bufferMs)} + decoding ${ms(decodeMs)}; camera and encoder come on top`;
  }
  return 'nothing to tell it from yet';
}

function save(name, blob) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // The browser has begun with it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function toggleFullscreen() {
  if (document.fullscreenElement) return document.exitFullscreen();
  // iPhones know it for the video alone.
  const [cockpit, video] = [el('cockpit'), el('video')];
  return cockpit.requestFullscreen ? cockpit.requestFullscreen().catch(() => {}) : video.webkitEnterFullscreen?.();
}

function soundWanted() {
  try {
    return localStorage.getItem(SOUND_KEY) === 'on';
  } catch {
    return false;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Forgotten with the page, then.
  }
}
