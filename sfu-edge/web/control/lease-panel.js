// Who holds the lease, and the buttons to ask for it, hand it over, keep it, give it up or take it.

const el = (id) => document.getElementById(id);

const BUTTONS = {
  'lease-take': 'acquire',
  'lease-ask': 'ask',
  'lease-grant': 'grant',
  'lease-deny': 'deny',
  'lease-release': 'release',
  'lease-override': 'override',
};

const REFUSALS = {
  held: 'Somebody else took it first.',
  busy: 'Somebody else asks already. Ask again later.',
  denied: 'They keep it.',
  lapsed: 'They did not answer.',
  over: 'It was taken from them. Ask again.',
  not_admin: 'Your token may not override.',
  no_device: 'The robot is away.',
  no_lease: 'No lease is left to give: the agent must be started anew.',
};

export class LeasePanel {
  #drive;

  constructor(drive) {
    this.#drive = drive;
  }

  bind(signal) {
    for (const [id, action] of Object.entries(BUTTONS)) {
      el(id).addEventListener('click', () => this.#drive.request(action), { signal });
    }
    const here = () => this.#drive.present();
    for (const name of ['pointerdown', 'keydown']) addEventListener(name, here, { signal, capture: true, passive: true });
    document.addEventListener('visibilitychange', () => (document.hidden ? this.#drive.absent() : here()), { signal });
    here();
  }

  // `lease` as Lease's status gives it; hidden from those who may not drive.
  show(lease, mayDrive) {
    el('lease').hidden = !mayDrive || !lease.known;
    const { text, wait, buttons, tone } = say(lease);
    el('lease').dataset.tone = tone;
    if (el('lease-text').textContent !== text) el('lease-text').textContent = text;
    el('lease-wait').textContent = wait;
    for (const id of Object.keys(BUTTONS)) el(id).hidden = !buttons.includes(id);
  }
}

// What is said of a lease: `wait` counts down, and is not read out; `tone` is 'mine', 'asked' or ''.
export function say({ mine, firm, holder, asker, asking, leftMs, admin, refused }) {
  const wait = asker ? `${Math.ceil(leftMs / 1000)} s` : '';
  const why = refused && REFUSALS[refused] ? `${REFUSALS[refused]} ` : '';
  if (holder === null) return { text: `${why}Nobody has the lease`, wait, buttons: ['lease-take'], tone: '' };
  if (mine && asker) return { text: `${asker} asks for the lease`, wait, buttons: ['lease-grant', 'lease-deny'], tone: 'asked' };
  if (mine && firm) return { text: 'You have the lease', wait, buttons: ['lease-release'], tone: 'mine' };
  if (mine) return { text: 'You have the lease while it is armed', wait, buttons: ['lease-take'], tone: 'mine' };
  const force = admin ? ['lease-override'] : [];
  if (asking) return { text: `Asked ${holder} for the lease`, wait, buttons: ['lease-release', ...force], tone: 'asked' };
  const text = `${why}${holder} has the lease`;
  return { text, wait: '', buttons: ['lease-ask', ...force], tone: '' };
}
