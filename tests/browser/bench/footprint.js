// Memory and CPU of a server with 20 subscribers, and of one agent, over 20 s.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

import { openPage } from '../src/chromium.js';
import { view } from '../src/measure.js';
import { onStage } from '../src/stage.js';

const SUBSCRIBERS = 20;
const SECONDS = 20;
const TICKS = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

await onStage(async (stage) => {
  const sfu = await stage.sfu();
  const agent = await stage.agent(sfu);
  await pause(2);
  const idle = usage(sfu.program.pid);
  const page = await openPage(await stage.chromium(), sfu.url);
  for (let n = 0; n < SUBSCRIBERS; n += 1) await view(page, sfu, 'door');
  const { subscribers } = await sfu.stream('door');
  if (subscribers !== SUBSCRIBERS) throw new Error(`${subscribers} subscribers instead of ${SUBSCRIBERS}`);
  await pause(2);

  const decodedBefore = await page.evaluate(() => bench.decoded());
  const before = [sfu.program, agent].map(({ pid }) => usage(pid));
  await pause(SECONDS);
  const after = [sfu.program, agent].map(({ pid }) => usage(pid));
  const decodedAfter = await page.evaluate(() => bench.decoded());
  const fps = decodedAfter.map((count, n) => (count - decodedBefore[n]) / SECONDS).sort((a, b) => a - b);
  console.log(`${SUBSCRIBERS} subscribers decode ${fps[0].toFixed(1)} to ${fps.at(-1).toFixed(1)} pictures a second, each of its own`);
  console.log(`transom-sfu with no subscriber: RSS ${idle.rssMb.toFixed(1)} MB`);
  for (const [n, name] of [`transom-sfu with ${SUBSCRIBERS} subscribers`, 'transom-agent (640x480@30, openh264)'].entries()) {
    const cpu = after[n].cpuSeconds - before[n].cpuSeconds;
    console.log(`${name}: RSS ${after[n].rssMb.toFixed(1)} MB, ${cpu.toFixed(2)} CPU seconds in ${SECONDS} s (${((cpu / SECONDS) * 100).toFixed(1)} % of a core)`);
  }
}, 150);

function usage(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  // The fields after the name, which may hold blanks itself: user and system time are 14 and 15.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return {
    rssMb: Number(/VmRSS:\s+(\d+)/.exec(status)[1]) / 1024,
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS,
  };
}

function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
