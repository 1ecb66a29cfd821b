// Requests to the server, and its refusals (RFC 9457) as errors.

export class Refusal extends Error {
  constructor(status, { type = '', detail = '', retryAfterMs = 0 } = {}) {
    // The marks of code in a sentence are for terminals.
    super(detail.replaceAll('`', '') || `the server answered ${status}`);
    this.name = 'Refusal';
    this.status = status;
    this.kind = type;
    this.retryAfterMs = retryAfterMs;
  }

  get isDenied() {
    return this.status === 401 || this.status === 403;
  }

  static async of(response) {
    const seconds = Number(response.headers.get('retry-after'));
    const retryAfterMs = Number.isFinite(seconds) ? seconds * 1000 : 0;
    let problem = {};
    if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
      problem = await response.json().catch(() => ({}));
    }
    return new Refusal(response.status, { ...problem, retryAfterMs });
  }
}

// No token configured, none sent.
export function bearer(token) {
  return token ? { authorization: `Bearer ${token}` } : {};
}

// `signal` and a limit of time in one.
export function within(ms, signal) {
  const limit = AbortSignal.timeout(ms);
  return signal ? AbortSignal.any([signal, limit]) : limit;
}

export async function listStreams(token) {
  return (await ask('/api/streams', token)).streams;
}

// What the token is good for: { name, scopes, streams }.
export function describeToken(token) {
  return ask('/api/token', token);
}

async function ask(path, token) {
  const response = await fetch(path, { headers: bearer(token), signal: within(4000) });
  if (!response.ok) throw await Refusal.of(response);
  return response.json();
}
