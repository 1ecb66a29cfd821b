// Runs inside the page, in every one: a WHEP viewer and a WHIP camera of our own, written against
// the drafts and not against the server's page, and what measures them.

globalThis.bench = (() => {
  const viewers = [];

  async function offer(pc, url, token) {
    await pc.setLocalDescription();
    return fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/sdp', authorization: `Bearer ${token}` },
      body: pc.localDescription.sdp,
    });
  }

  async function accept(pc, answer) {
    if (answer.status !== 201) throw new Error(`${answer.status} ${await answer.text()}`);
    const session = answer.headers.get('location');
    await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return session;
  }

  // Plays a stream. Resolves once the first picture is shown, with the milliseconds from the POST.
  async function view(url, token) {
    const pc = new RTCPeerConnection();
    pc.addTransceiver('video', { direction: 'recvonly' });
    pc.addTransceiver('audio', { direction: 'recvonly' });
    const video = document.createElement('video');
    Object.assign(video, { autoplay: true, playsInline: true, srcObject: new MediaStream() });
    document.body.append(video);
    pc.ontrack = ({ track }) => video.srcObject.addTrack(track);
    const shown = new Promise((resolve) => video.requestVideoFrameCallback(resolve));
    const posted = performance.now();
    const session = await accept(pc, await offer(pc, url, token));
    await Promise.race([
      shown,
      new Promise((_, reject) => {
        setTimeout(() => reject(new Error(`no picture in 15 s; connection ${pc.connectionState}`)), 15_000);
      }),
    ]);
    const firstFrameMs = performance.now() - posted;
    viewers.push({ pc, video, session, token });
    return { viewer: viewers.length - 1, firstFrameMs };
  }

  // What was received between now and `seconds` later.
  async function watch(viewer, seconds) {
    const { pc, video } = viewers[viewer];
    const latencies = [];
    let over = false;
    const canvas = document.createElement('canvas');
    const read = (now, frame) => {
      if (over) return;
      const captured = readTimeCode(video, canvas);
      // Glass to glass ends when the browser expects the picture to light up, not when it is handed to us.
      const shown = performance.timeOrigin + Math.max(now, frame.expectedDisplayTime);
      if (captured !== undefined) latencies.push(ageMs(shown, captured));
      video.requestVideoFrameCallback(read);
    };
    video.requestVideoFrameCallback(read);
    const before = await received(pc);
    await sleep(seconds * 1000);
    const after = await received(pc);
    over = true;
    const took = (after.timestamp - before.timestamp) / 1000;
    latencies.sort((a, b) => a - b);
    return {
      seconds: took,
      codec: after.codec,
      width: after.width,
      height: after.height,
      fps: (after.framesDecoded - before.framesDecoded) / took,
      freezeMs: (after.freezes - before.freezes) * 1000,
      freezeCount: after.freezeCount - before.freezeCount,
      packetsLost: after.packetsLost - before.packetsLost,
      audioSeconds: after.audioSeconds - before.audioSeconds,
      audioConcealed: (after.audioConcealed - before.audioConcealed) / Math.max(1, after.audioSamples - before.audioSamples),
      audioEnergy: after.audioEnergy - before.audioEnergy,
      timeCodes: latencies.length,
      latencyMs: latencies[Math.floor(latencies.length / 2)],
      latencyP95Ms: latencies[Math.floor(latencies.length * 0.95)],
    };
  }

  async function received(pc) {
    const stats = await pc.getStats();
    const all = [...stats.values()];
    const video = all.find((s) => s.type === 'inbound-rtp' && s.kind === 'video') ?? {};
    const audio = all.find((s) => s.type === 'inbound-rtp' && s.kind === 'audio') ?? {};
    return {
      timestamp: video.timestamp ?? performance.now(),
      codec: stats.get(video.codecId)?.mimeType,
      width: video.frameWidth,
      height: video.frameHeight,
      framesDecoded: video.framesDecoded ?? 0,
      freezes: video.totalFreezesDuration ?? 0,
      freezeCount: video.freezeCount ?? 0,
      packetsLost: video.packetsLost ?? 0,
      audioSeconds: audio.totalSamplesDuration ?? 0,
      audioSamples: audio.totalSamplesReceived ?? 0,
      audioConcealed: audio.concealedSamples ?? 0,
      audioEnergy: audio.totalAudioEnergy ?? 0,
    };
  }

  // Pictures that each viewer has decoded so far.
  function decoded() {
    return Promise.all(viewers.map(async ({ pc }) => (await received(pc)).framesDecoded));
  }

  async function leave(viewer) {
    const { pc, video, session, token } = viewers[viewer];
    const url = new URL(session, location.href);
    const answer = await fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
    pc.close();
    video.remove();
    return answer.status;
  }

  // Publishes the (fake) camera and microphone, the video as `codec` only ('video/H264', 'video/VP8').
  async function publish(url, token, codec) {
    const media = await navigator.mediaDevices.getUserMedia({ audio: true, video: { width: 640, height: 480 } });
    const pc = new RTCPeerConnection();
    for (const track of media.getTracks()) {
      const sender = pc.addTransceiver(track, { direction: 'sendonly', streams: [media] });
      if (track.kind !== 'video') continue;
      const codecs = RTCRtpSender.getCapabilities('video').codecs;
      sender.setCodecPreferences(codecs.filter(({ mimeType }) => [codec, 'video/rtx'].includes(mimeType)));
    }
    const session = await accept(pc, await offer(pc, url, token));
    globalThis.publisher = pc;
    return session;
  }

  // The capture time that the agent's test picture carries: 64 cells from the ninth on, one row above
  // the last; black is 0. 16 bits of sync, 40 of time in units of 100 us, CRC-8 (polynomial 7).
  function readTimeCode(video, canvas) {
    const { videoWidth: width, videoHeight: height } = video;
    const cell = Math.floor(width / 160) * 2;
    if (cell < 2) return undefined;
    const rows = cell * 2;
    if (canvas.width !== cell * 64) Object.assign(canvas, { width: cell * 64, height: rows });
    const context = canvas.getContext('2d', { willReadFrequently: true });
    context.drawImage(video, cell * 8, height - rows * 2, cell * 64, rows, 0, 0, cell * 64, rows);
    const { data } = context.getImageData(0, 0, cell * 64, rows);
    const levels = [];
    for (let n = 0; n < 64; n += 1) levels.push(level(data, n * cell, cell, rows));
    const threshold = (Math.min(...levels) + Math.max(...levels)) / 2;
    const bytes = [];
    for (let n = 0; n < 8; n += 1) {
      bytes.push(levels.slice(n * 8, n * 8 + 8).reduce((byte, l) => byte * 2 + (l > threshold ? 1 : 0), 0));
    }
    if (bytes[0] !== 0xa5 || bytes[1] !== 0xc3 || crc8(bytes.slice(2, 7)) !== bytes[7]) return undefined;
    return bytes.slice(2, 7).reduce((time, byte) => time * 256 + byte, 0);
  }

  // The mean green of the inner half of one cell.
  function level(data, x, cell, rows) {
    let sum = 0;
    let count = 0;
    for (let dy = rows / 4; dy < (rows * 3) / 4; dy += 1) {
      for (let dx = cell / 4; dx < (cell * 3) / 4; dx += 1) {
        sum += data[(Math.floor(dy) * cell * 64 + x + Math.floor(dx)) * 4 + 1];
        count += 1;
      }
    }
    return sum / count;
  }

  function crc8(bytes) {
    let crc = 0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let n = 0; n < 8; n += 1) crc = crc & 0x80 ? ((crc << 1) ^ 7) & 0xff : crc << 1;
    }
    return crc;
  }

  // The code counts 100 us modulo 2^40.
  function ageMs(nowMs, captured) {
    const wrap = 2 ** 40;
    const age = (((nowMs * 10 - captured) % wrap) + wrap) % wrap;
    return (age > wrap / 2 ? age - wrap : age) / 10;
  }

  function sleep(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms));
  }

  return { view, watch, decoded, leave, publish, readTimeCode };
})();
