// What a drive's status means, in plain words. `describe(status)` gives
//   tone   'good', 'warn', 'bad' or ''
//   title  a few words
//   text   a sentence, what to do included

const REASONS = {
  operator: 'An operator stopped it.',
  stale: 'It stopped by itself: commands came too late.',
  'link-lost': 'It stopped: the connection to who drove was lost.',
  'agent-died': 'It stopped: the agent on the robot ended.',
  replaced: 'It stopped: another operator took over.',
  blind: 'It stopped: the picture was too old.',
  fault: 'It stopped: an output failed. The log of the agent names it.',
  shutdown: 'It stopped: the agent was shut down.',
};

const REFUSALS = {
  unheard: 'Not armed: there is no fresh word from the robot.',
  stopping: 'Not armed: a stop still waits for its answer.',
  stale: 'Not armed: the command was too old when it arrived. The network is too slow.',
  future: 'Not armed: the robot began anew meanwhile. Try again.',
  old: 'Not armed: a later command came first. Try again.',
  armed: 'Not armed: it is in use. Stop it first.',
  epoch: 'Not armed: its state changed meanwhile. Try again.',
  fault: 'Not armed: an output fails. The log of the agent names it.',
  timeout: 'Not armed: no answer. If another operator has it, Stop takes it from them.',
};

const ARM = 'Hold Arm, then drive.';

export function describe({ phase, reason, refused, reportAgeMs, limitMs, linked, mayDrive, letGo }) {
  const silent = phase === 'unheard' || reportAgeMs > limitMs;
  if (!linked) return { tone: 'warn', title: 'No connection', text: `A robot without a driver stops within ${limitMs} ms.` };
  if (phase === 'stopping') return { tone: 'bad', title: 'Stopping', text: 'The stop is repeated until the robot answers.' };
  if (silent) {
    const since = Number.isFinite(reportAgeMs) ? `for ${seconds(reportAgeMs)}` : 'yet';
    return { tone: 'bad', title: 'No word from the robot', text: `None ${since}. Unheard, it stops within ${limitMs} ms.` };
  }
  const refusal = mayDrive ? REFUSALS[refused] : undefined;
  switch (phase) {
    case 'arming':
      return { tone: 'warn', title: 'Arming', text: '' };
    case 'armed':
      if (letGo) return { tone: 'warn', title: 'You drive', text: 'Let go first: what was held before does not count.' };
      return { tone: 'good', title: 'You drive', text: 'Let go to halt. Stop ends it at once.' };
    case 'foreign': {
      const text = mayDrive ? (refusal ?? 'Stop takes the robot from them.') : '';
      return { tone: 'warn', title: mayDrive ? 'Another operator drives' : 'An operator drives', text };
    }
    case 'disarming':
      return { tone: 'warn', title: 'Disarming', text: '' };
    case 'stopped':
      return { tone: 'bad', title: 'Stopped', text: refusal ?? [REASONS[reason], mayDrive && ARM].filter(Boolean).join(' ') };
    default:
      return { tone: refusal ? 'warn' : '', title: 'Not armed', text: refusal ?? (mayDrive ? ARM : 'Nobody drives.') };
  }
}

// Where the robot is and what it does, for people, in two lines.
export function place({ xMm, yMm, headingMrad, batteryMv, axes }) {
  const meters = (mm) => (mm / 1000).toFixed(2).replace('-', '−');
  const degrees = Math.round((headingMrad * 180) / 1000 / Math.PI);
  const where = `${meters(xMm)} m ahead · ${meters(yMm)} m left`;
  const how = [`${String(degrees).replace('-', '−')}°`, speed(axes)];
  if (batteryMv > 0) how.push(`${(batteryMv / 1000).toFixed(1)} V`);
  return `${where}\n${how.join(' · ')}`;
}

function speed({ linear, angular }) {
  const percent = Math.round((100 * Math.max(Math.abs(linear), Math.abs(angular))) / 32767);
  if (percent === 0) return 'at rest';
  if (Math.abs(linear) < Math.abs(angular)) return `turning ${percent} %`;
  return `${linear < 0 ? 'back' : 'ahead'} ${percent} %`;
}

function seconds(ms) {
  return ms < 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`;
}
