// Records how Chromium sends: size and moment of each RTP packet of a camera at 30 pictures a second,
// H.264 and Opus, for tests/load. Needs tcpdump and the right to listen on loopback.
//
//   node bench/record-trace.js [SECONDS] > ../load/data/chromium.trace

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { openPage } from '../src/chromium.js';
import { clipWithBFrames } from '../src/clips.js';
import { ffmpeg, targetFolder } from '../src/paths.js';
import { onStage, until } from '../src/stage.js';

const SECONDS = Number(process.argv[2] ?? 20);
// Chromium's estimate of the bandwidth has left its slow start by then.
const SETTLED = 12;
const TAG = 16; // AEAD_AES_128_GCM

await onStage(async (stage) => {
  const sfu = await stage.sfu();
  const browser = await stage.chromium([`--use-file-for-fake-video-capture=${camera()}`]);
  const page = await openPage(browser, sfu.url);
  await page.evaluate(([url, token]) => bench.publish(url, token, 'video/H264'), [sfu.whip('lane'), sfu.tokens.publish]);
  await until(async () => (await sfu.stream('lane'))?.publisher, { within: 15_000, what: 'lane is published' });
  await pause(SETTLED);

  const capture = join(stage.folder(), 'rtp.pcap');
  const tcpdump = spawn('tcpdump', ['-i', 'lo', '-U', '-s', '128', '-w', capture, `udp dst port ${sfu.udpPort}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await once(tcpdump.stderr, 'data');
  await pause(SECONDS);
  tcpdump.kill('SIGINT');
  await once(tcpdump, 'exit');

  const packets = rtp(readFileSync(capture));
  console.log(`# Chromium ${browser.version()}, fake camera with a real clip, 640x480 at 30 pictures a second, H.264, Opus.`);
  console.log('# One RTP packet a line: microseconds from the first, v(ideo) or a(udio), bytes of payload, marker.');
  console.log('# Recorded by tests/browser/bench/record-trace.js.');
  for (const { at, kind, bytes, marker } of packets) console.log(`${at} ${kind} ${bytes} ${marker}`);
}, SECONDS + 60);

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}

// The clip as raw pictures, as a camera would deliver them.
function camera() {
  const path = join(targetFolder('clips'), 'bikes.y4m');
  if (!existsSync(path)) {
    execFileSync(ffmpeg(), [
      '-hide_banner', '-loglevel', 'error', '-y', '-i', clipWithBFrames(),
      '-vf', 'scale=640:480', '-r', '30', '-pix_fmt', 'yuv420p', path,
    ]);
  }
  return path;
}

// The RTP packets in a pcap of the Ethernet or loopback kind, IPv4 and IPv6. Retransmissions and
// padding probes are left out: they are an answer to the network, not to the camera.
function rtp(pcap) {
  const found = [];
  for (let at = 24; at + 16 <= pcap.length; ) {
    const [seconds, micros, kept, whole] = [0, 4, 8, 12].map((o) => pcap.readUInt32LE(at + o));
    const frame = pcap.subarray(at + 16, at + 16 + kept);
    at += 16 + kept;
    const headers = frame.readUInt16BE(12) === 0x86dd ? 14 + 40 + 8 : 14 + 20 + 8;
    const packet = frame.subarray(headers);
    if (packet.length < 12 || packet[0] >> 6 !== 2 || (packet[1] >= 192 && packet[1] <= 223)) continue;
    let header = 12 + 4 * (packet[0] & 15);
    if (packet[0] & 16) header += 4 + 4 * packet.readUInt16BE(header + 2);
    found.push({
      at: seconds * 1_000_000 + micros,
      ssrc: packet.readUInt32BE(8),
      marker: packet[1] >> 7,
      bytes: whole - headers - header - TAG,
    });
  }
  const kinds = kindsOf(found);
  const media = found.filter(({ ssrc, bytes }) => kinds.has(ssrc) && bytes > 0);
  return media.map(({ at, ssrc, bytes, marker }) => ({ at: at - media[0].at, kind: kinds.get(ssrc), bytes, marker }));
}

// The picture is the source with most bytes, the sound the one with most packets among the rest.
function kindsOf(packets) {
  const sum = new Map();
  for (const { ssrc, bytes } of packets) {
    const { count = 0, total = 0 } = sum.get(ssrc) ?? {};
    sum.set(ssrc, { count: count + 1, total: total + bytes });
  }
  const sources = [...sum].sort(([, a], [, b]) => b.total - a.total);
  const [[video], ...rest] = sources;
  const [[audio]] = rest.sort(([, a], [, b]) => b.count - a.count);
  return new Map([[video, 'v'], [audio, 'a']]);
}
