// What the address bar says: `#token=...&stream=door`. A token is taken out of it at once, so that
// it stands in no history, bookmark or screenshot; it stays with this tab until that is closed.

const KEY = 'transom.token';

export function readAddress() {
  const params = new URLSearchParams(location.hash.slice(1));
  const given = params.get('token');
  if (given) {
    keepToken(given);
    params.delete('token');
    const rest = params.toString();
    history.replaceState(history.state, '', location.pathname + location.search + (rest && `#${rest}`));
  }
  return { token: storedToken(), stream: params.get('stream'), publish: params.get('publish') };
}

// Takes a token, or a whole link with one in it.
export function keepToken(text) {
  const token = /token=([^&\s]+)/.exec(text)?.[1] ?? text.trim();
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Storage is forbidden here: then the token lasts as long as the page.
  }
  kept = token;
}

let kept = null;

function storedToken() {
  try {
    return sessionStorage.getItem(KEY) ?? kept;
  } catch {
    return kept;
  }
}
