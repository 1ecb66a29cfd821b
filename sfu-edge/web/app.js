// The page: which streams there are, and which one is shown.

import { Refusal, describeToken, listStreams } from './api.js';
import { ServerClock } from './clock.js';
import { PlayerView } from './player.js';
import { PublisherView } from './publisher.js';
import { keepToken, readAddress } from './token.js';

const LIST_EVERY_MS = 2000;
const LIST_EVERY_WHEN_WAITING_MS = 700;

const el = (id) => document.getElementById(id);

const clock = new ServerClock();
let address = readAddress();
let view = null;
let publisher = null;
let streams = [];
// What the token is good for; null until the server has told.
let grant = null;
let listTimer;
// Whether the server answered the last time, and whether it did not.
let reached = false;
let away = false;

// What tests and curious people may rely on.
window.transom = {
  stats: () => view?.stats() ?? null,
  streams: () => streams,
  get player() {
    return view?.player ?? null;
  },
  get drive() {
    return view?.drive ?? null;
  },
  get latencies() {
    return view?.latencies ?? null;
  },
};

function start() {
  clearTimeout(listTimer);
  view?.stop();
  publisher?.stop();
  view = null;
  publisher = null;
  grant = null;
  el('notice').hidden = true;
  if (!address.token) {
    showServer('', 'no token');
    return ask('A link opens this page', 'It carries a token that says what you may see, and this address has none. Open the link that transom-sfu printed, or paste it here.');
  }
  clock.start();
  el('agent-line').textContent = `transom-agent --whip ${location.origin}/whip/door`;
  if (address.publish) {
    showServer('', 'publishing from here');
    publisher = new PublisherView({ name: address.publish, token: address.token });
    return publisher.start();
  }
  el('streams').hidden = false;
  if (address.stream) play(address.stream);
  return refresh();
}

function play(stream) {
  if (view?.stream === stream) return;
  view?.stop();
  view = new PlayerView({
    stream,
    token: address.token,
    clock,
    onDenied: (detail) => deny(detail),
  });
  view.start();
  allow();
  el('main').classList.add('playing');
  document.title = `${stream} · Transom`;
  showList();
}

function leave() {
  view?.stop();
  view = null;
  el('main').classList.remove('playing');
  document.title = 'Transom';
  showList();
}

async function refresh() {
  clearTimeout(listTimer);
  try {
    [streams, grant] = await Promise.all([listStreams(address.token), grant ?? describeToken(address.token)]);
    allow();
    reached = true;
    away = false;
    showServer('good', streams.length === 1 ? '1 stream' : `${streams.length} streams`);
    chooseByItself();
    if (view && streams.some((s) => s.name === view.stream && s.publisher)) view.published();
  } catch (error) {
    if (error instanceof Refusal && error.isDenied) return deny(error.message);
    // What was known of the streams is no longer.
    streams = [];
    reached = false;
    away = true;
    showServer('bad', 'server away');
  }
  showList();
  const waiting = view && ['waiting', 'offline'].includes(view.player.state);
  listTimer = setTimeout(refresh, waiting ? LIST_EVERY_WHEN_WAITING_MS : LIST_EVERY_MS);
}

function allow() {
  view?.drive.allow(grant?.scopes.includes('drive') ?? false);
}

// One stream and no other wish: that is the one.
function chooseByItself() {
  if (view || address.stream || address.chosen) return;
  const live = streams.filter((s) => s.publisher);
  if (live.length === 1) play(live[0].name);
}

function showList() {
  el('empty').hidden = streams.length > 0 || !reached;
  el('away').hidden = !away;
  const list = el('stream-list');
  const items = streams.map((stream, index) => {
    const item = list.children[index] ?? document.createElement('li');
    fill(item, stream);
    return item;
  });
  // In place, so that neither focus nor a tap under way is lost.
  items.forEach((item) => item.isConnected || list.append(item));
  while (list.children.length > items.length) list.lastChild.remove();
}

function fill(item, { name, publisher: source, subscribers }) {
  let button = item.firstElementChild;
  if (!button) {
    button = document.createElement('button');
    button.className = 'stream';
    button.dataset.testid = 'stream-item';
    const dot = document.createElement('span');
    const title = document.createElement('b');
    const watching = document.createElement('span');
    const line = document.createElement('small');
    watching.className = 'watching';
    button.append(dot, title, watching, line);
    button.addEventListener('click', () => {
      location.hash = new URLSearchParams({ stream: button.dataset.stream }).toString();
    });
    item.append(button);
  }
  const [dot, title, watching, line] = button.children;
  button.dataset.stream = name;
  button.setAttribute('aria-current', String(view?.stream === name));
  dot.className = `dot ${source?.state === 'connected' ? 'good' : 'warn'}`;
  title.textContent = name;
  watching.textContent = `${subscribers} watching`;
  line.textContent = source ? describe(source) : 'publisher away';
}

function describe({ state, silent_s: silent, tracks, bitrate_bps: bitrate, loss, since_s: since }) {
  if (state === 'silent') return `silent for ${silent} s`;
  if (state !== 'connected') return 'connecting';
  const parts = [tracks.map((track) => track.codec.split(' ')[0]).join(' + ')];
  if (bitrate > 0) parts.push(bitrate >= 1e6 ? `${(bitrate / 1e6).toFixed(1)} Mbit/s` : `${Math.round(bitrate / 1e3)} kbit/s`);
  if (loss >= 0.001) parts.push(`${(loss * 100).toFixed(1)} % lost`);
  parts.push(since < 90 ? `${since} s` : since < 5400 ? `${Math.round(since / 60)} min` : `${Math.round(since / 3600)} h`);
  return parts.join(' · ');
}

function deny(detail) {
  leave();
  clearTimeout(listTimer);
  showServer('bad', 'not allowed');
  ask('This token does not open the page', `The server says: ${detail}.`);
}

function ask(title, text) {
  el('streams').hidden = true;
  el('notice-title').textContent = title;
  el('notice-text').textContent = text;
  el('notice').hidden = false;
}

function showServer(tone, text) {
  el('server-dot').className = `dot ${tone}`;
  el('server-text').textContent = text;
}

el('token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  keepToken(el('token-input').value);
  el('token-input').value = '';
  address = readAddress();
  start();
});

addEventListener('hashchange', () => {
  const before = address;
  address = readAddress();
  if (address.token !== before.token || address.publish !== before.publish) return start();
  if (address.stream) return play(address.stream);
  // Back to the list: then the list it is, even if there is one stream only.
  address.chosen = true;
  return leave();
});

// What a sleeping tab missed.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && address.token && !el('streams').hidden) refresh();
});

start();
