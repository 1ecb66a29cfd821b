// The table of a drive's times: the middle and the tail of each, in milliseconds, and what is too much.
//
//   const times = new TimesView();
//   times.show(status, figures);   // Drive's status, Latencies' figures

const el = (id) => document.getElementById(id);

// In which row a figure stands.
const ROWS = { roundTrip: 'rtt', commandAge: 'command-age', ack: 'ack', picture: 'picture-age', loop: 'loop' };

export class TimesView {
  show({ reportAgeMs, limitMs, pictureLimitMs }, figures) {
    // Half of what stops it is much.
    const most = { commandAge: limitMs / 2, picture: pictureLimitMs > 0 ? pictureLimitMs / 2 : Infinity };
    for (const [name, id] of Object.entries(ROWS)) {
      const { p50, p99 } = figures[name] ?? { p50: null, p99: null };
      say(id, milliseconds(p50));
      say(`${id}-p99`, milliseconds(p99));
      late(id, p50, most[name] ?? Infinity);
      late(`${id}-p99`, p99, most[name] ?? Infinity);
    }
    say('report-age', milliseconds(reportAgeMs));
    say('limit', milliseconds(limitMs));
    late('report-age', reportAgeMs, limitMs / 2);
  }
}

function say(id, text) {
  if (el(id).textContent !== text) el(id).textContent = text;
}

function milliseconds(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  if (value > 9999) return '> 9999';
  return value < 9.95 ? value.toFixed(1) : value.toFixed(0);
}

function late(id, age, most) {
  el(id).classList.toggle('late', age !== null && age > most);
}
