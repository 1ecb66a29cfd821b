// The live figures of a player: what arrives, how smoothly, and how old it is.

import { TimeCodeReader, ageMs } from './timecode.js';

const SAMPLE_EVERY_MS = 500;
// Rates are taken over this much of the past.
const WINDOW_MS = 2000;
const LOSS_WINDOW_MS = 10_000;
// Time codes are read this often: enough for a median, little work for a phone.
const READ_EVERY_MS = 80;
const CODES_KEPT = 25;
const CODE_STALE_MS = 2000;

export class Figures {
  #player;
  #video;
  #clock;
  #reader = new TimeCodeReader();
  #samples = [];
  #codes = [];
  #readAt = 0;
  #timer;
  #stopped = false;
  #current = blank();

  constructor(player, video, clock) {
    this.#player = player;
    this.#video = video;
    this.#clock = clock;
  }

  start(onChange) {
    const tick = async () => {
      await this.#sample();
      if (this.#stopped) return;
      onChange?.(this.stats());
      this.#timer = setTimeout(tick, SAMPLE_EVERY_MS);
    };
    tick();
    this.#watchFrames();
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  stats() {
    return { ...this.#current, ...this.#latency(), state: this.#player.state };
  }

  #watchFrames() {
    if (!('requestVideoFrameCallback' in this.#video)) return;
    const seen = (now, frame) => {
      if (this.#stopped) return;
      if (now - this.#readAt >= READ_EVERY_MS) {
        this.#readAt = now;
        this.#readCode(now, frame);
      }
      this.#video.requestVideoFrameCallback(seen);
    };
    this.#video.requestVideoFrameCallback(seen);
  }

  #readCode(now, frame) {
    const code = this.#reader.read(this.#video);
    if (code === undefined || this.#clock.offsetMs === undefined) return;
    // When it lights up, as the browser expects; not before it was handed to us.
    const shown = performance.timeOrigin + Math.max(now, frame.expectedDisplayTime ?? now);
    this.#codes.push({ at: performance.now(), age: ageMs(code, shown + this.#clock.offsetMs) });
    if (this.#codes.length > CODES_KEPT) this.#codes.shift();
  }

  #latency() {
    const fresh = this.#codes.filter((c) => performance.now() - c.at < CODE_STALE_MS);
    if (fresh.length > 2) {
      const ages = fresh.map((c) => c.age).sort((a, b) => a - b);
      return { latencyMs: ages[Math.floor(ages.length / 2)], latencySource: 'timecode' };
    }
    const { roundTripMs, bufferMs, decodeMs } = this.#current;
    if (this.#player.state === 'live' && roundTripMs !== null && bufferMs !== null) {
      return { latencyMs: roundTripMs / 2 + bufferMs + (decodeMs ?? 0), latencySource: 'estimated' };
    }
    return { latencyMs: null, latencySource: 'unknown' };
  }

  async #sample() {
    const peer = this.#player.peer;
    if (!peer || peer.connectionState !== 'connected') {
      this.#samples = [];
      this.#current = { ...blank(), ...this.#clockFigures() };
      return;
    }
    const report = await peer.getStats();
    const sample = digest(report);
    const newest = this.#samples.at(-1);
    // Another connection counts from zero.
    if (newest && sample.bytes < newest.bytes) this.#samples = [];
    this.#samples.push(sample);
    while (sample.at - this.#samples[0].at > LOSS_WINDOW_MS) this.#samples.shift();
    this.#current = { ...this.#rates(sample), ...this.#clockFigures() };
  }

  #rates(now) {
    const recent = this.#samples.find((s) => now.at - s.at <= WINDOW_MS);
    const past = this.#samples[0];
    const seconds = (now.at - recent.at) / 1000;
    const per = (key) => (seconds > 0 ? (now[key] - recent[key]) / seconds : 0);
    const mean = (total, count) => {
      const n = now[count] - recent[count];
      return n > 0 ? ((now[total] - recent[total]) / n) * 1000 : null;
    };
    const lost = now.lost - past.lost;
    const expected = now.packets - past.packets + lost;
    return {
      fps: per('frames'),
      bitrate: per('bytes') * 8,
      loss: expected > 0 ? Math.max(0, lost) / expected : 0,
      packetsLost: now.lost,
      frames: now.frames,
      freezes: now.freezes,
      freezeMs: now.freezeSeconds * 1000,
      width: now.width,
      height: now.height,
      codec: now.codec,
      audio: now.audio,
      roundTripMs: now.roundTripMs,
      bufferMs: mean('bufferSeconds', 'emitted'),
      decodeMs: mean('decodeSeconds', 'frames'),
    };
  }

  #clockFigures() {
    return { clockOffsetMs: this.#clock.offsetMs ?? null, clockErrorMs: this.#clock.errorMs ?? null };
  }
}

function blank() {
  return {
    fps: 0,
    bitrate: 0,
    loss: 0,
    packetsLost: 0,
    frames: 0,
    freezes: 0,
    freezeMs: 0,
    width: 0,
    height: 0,
    codec: null,
    audio: false,
    roundTripMs: null,
    bufferMs: null,
    decodeMs: null,
  };
}

// Of hundreds of figures the few that are shown.
function digest(report) {
  const all = [...report.values()];
  const inbound = all.filter((s) => s.type === 'inbound-rtp');
  const video = inbound.find((s) => s.kind === 'video') ?? {};
  const audio = inbound.find((s) => s.kind === 'audio');
  const transport = all.find((s) => s.type === 'transport');
  const pair = report.get(transport?.selectedCandidatePairId) ?? all.find((s) => s.type === 'candidate-pair' && s.nominated);
  const sum = (key) => inbound.reduce((total, s) => total + (s[key] ?? 0), 0);
  const roundTrip = pair?.currentRoundTripTime;
  return {
    at: performance.now(),
    bytes: sum('bytesReceived') + sum('headerBytesReceived'),
    packets: sum('packetsReceived'),
    lost: sum('packetsLost'),
    frames: video.framesDecoded ?? 0,
    freezes: video.freezeCount ?? 0,
    freezeSeconds: video.totalFreezesDuration ?? 0,
    width: video.frameWidth ?? 0,
    height: video.frameHeight ?? 0,
    codec: codecName(report.get(video.codecId) ?? report.get(audio?.codecId)),
    audio: (audio?.packetsReceived ?? 0) > 0,
    bufferSeconds: video.jitterBufferDelay ?? 0,
    emitted: video.jitterBufferEmittedCount ?? 0,
    decodeSeconds: video.totalDecodeTime ?? 0,
    roundTripMs: roundTrip === undefined ? null : roundTrip * 1000,
  };
}

function codecName(codec) {
  return codec?.mimeType?.split('/')[1] ?? null;
}
