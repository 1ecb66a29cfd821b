// Where the built programs and the tools are; `cargo xtask test` says it by environment.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const here = new URL('..', import.meta.url).pathname;
export const targetDir = process.env.TRANSOM_TARGET_DIR ?? resolve(here, '../../target');
export const binDir = process.env.TRANSOM_BIN_DIR ?? join(targetDir, 'debug');
const python = process.env.TRANSOM_PYTHON ?? join(targetDir, 'venv/bin/python');

export function targetFolder(name) {
  const folder = join(targetDir, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

let ffmpegPath;
export function ffmpeg() {
  ffmpegPath ??= askPython('import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())');
  return ffmpegPath;
}

export function askPython(program) {
  return execFileSync(python, ['-c', program], { encoding: 'utf8' }).trim();
}
