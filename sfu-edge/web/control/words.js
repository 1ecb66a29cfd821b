// What a drive's status means, in plain words. `describe(status)` gives
//   tone   'good', 'warn', 'bad' or ''
//   title  a few words
//   text   a sentence, what to do included

import { FULL_SCALE } from './wire.js';

const REASONS = {
  operator: 'An operator stopped it.',
  stale: 'It stopped by itself: commands came too late.',
  'link-lost': 'It stopped: the connection to who drove was lost.',
  'agent-died': 'It stopped: the agent on the robot ended.',
  replaced: 'It stopped: another operator took over.',
  blind: 'It stopped: who drove saw no fresh picture.',
  fault: 'It stopped: an output failed. The log of the agent names it.',
  shutdown: 'It stopped: the agent was shut down.',
  emergency: 'It stopped: somebody pressed the emergency stop.',
  hidden: 'It stopped: the page of who drove was hidden.',
  malformed: 'It stopped: what came was no command.',
  'peer-closed': 'It stopped: who drove has left.',
};

const REFUSALS = {
  unseen: 'Not armed: there is no picture, and nobody drives blind.',
  unheard: 'Not armed: there is no fresh word from the robot.',
  stopping: 'Not armed: a stop still waits for its answer.',
  stale: 'Not armed: the command was too old when it arrived. The network is too slow.',
  future: 'Not armed: the robot began anew meanwhile. Try again.',
  old: 'Not armed: a later command came first. Try again.',
  armed: 'Not armed: it is in use. Stop it first.',
  held: 'Not armed: another operator has the lease. Ask for it.',
  epoch: 'Not armed: its state changed meanwhile. Try again.',
  fault: 'Not armed: an output fails. The log of the agent names it.',
  'no-emergency': 'Not reset: no emergency stop holds it any more.',
  latched: 'Not armed: an emergency stop holds it. Reset it first.',
  emergency: 'Not armed: an emergency stop holds it. Reset it first.',
  timeout: 'Not armed: no answer. If another operator has it, Stop takes it from them.',
};

const ARM = 'Hold Arm, then drive.';

export function describe({ phase, reason, refused, reportAgeMs, limitMs, linked, mayDrive, letGo, speed = 100, pictureLimitMs = 0 }) {
  const silent = phase === 'unheard' || reportAgeMs > limitMs;
  if (!linked) return { tone: 'warn', title: 'No connection', text: `A robot without a driver stops within ${limitMs} ms.` };
  if (phase === 'stopping') return { tone: 'bad', title: 'Stopping', text: 'The stop is repeated until the robot answers.' };
  if (silent) {
    const since = Number.isFinite(reportAgeMs) ? `for ${seconds(reportAgeMs)}` : 'yet';
    return { tone: 'bad', title: 'No word from the robot', text: `None ${since}. Unheard, it stops within ${limitMs} ms; if it still moves, cut its power.` };
  }
  const refusal = mayDrive ? REFUSALS[refused] : undefined;
  switch (phase) {
    case 'arming':
      return { tone: 'warn', title: 'Arming', text: '' };
    case 'armed':
      if (letGo) return { tone: 'warn', title: 'You drive', text: 'Let go first: what was held before does not count.' };
      if (pictureLimitMs > 0 && speed < 100) {
        const text = `Your picture is old, so it goes at ${speed} %. At ${seconds(pictureLimitMs)} it stops.`;
        return { tone: 'warn', title: 'You drive', text };
      }
      return { tone: 'good', title: 'You drive', text: 'Let go to halt. Stop ends it at once.' };
    case 'foreign': {
      const text = mayDrive ? (refusal ?? 'Stop takes the robot from them.') : '';
      return { tone: 'warn', title: mayDrive ? 'Another operator drives' : 'An operator drives', text };
    }
    case 'disarming':
      return { tone: 'warn', title: 'Disarming', text: '' };
    case 'emergency':
      return { tone: 'bad', title: 'Emergency stop', text: refusal ?? 'It is held until somebody resets it.' };
    case 'resetting':
      return { tone: 'warn', title: 'Resetting', text: '' };
    case 'stopped':
      return { tone: 'bad', title: 'Stopped', text: refusal ?? [REASONS[reason], mayDrive && ARM].filter(Boolean).join(' ') };
    default:
      return { tone: refusal ? 'warn' : '', title: 'Not armed', text: refusal ?? (mayDrive ? ARM : 'Nobody drives.') };
  }
}

// Where the robot is and what it does: `said` in words, `shown` in two short lines.
export function place({ xMm, yMm, headingMrad, batteryMv, axes }) {
  const meters = (mm) => (Math.abs(mm) / 1000).toFixed(2);
  const [way, side] = [xMm < 0 ? 'behind' : 'ahead', yMm < 0 ? 'right' : 'left'];
  const turned = Math.round((headingMrad * 180) / 1000 / Math.PI);
  const percent = Math.round((100 * Math.max(Math.abs(axes.linear), Math.abs(axes.angular))) / FULL_SCALE);
  const power = batteryMv > 0 ? [`${(batteryMv / 1000).toFixed(1)} V`] : [];
  const how = [`${String(turned).replace('-', '−')}°`, `drive ${percent} %`, ...power];
  return {
    said: `The robot, ${meters(xMm)} m ${way} and ${meters(yMm)} m ${side} of its start`,
    shown: `${xMm < 0 ? '↓' : '↑'} ${meters(xMm)} m  ${yMm < 0 ? '→' : '←'} ${meters(yMm)} m\n${how.join(' · ')}`,
  };
}

function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
