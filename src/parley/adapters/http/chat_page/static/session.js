// The session of this browser: its tokens, kept in the storage of this origin, for all of its tabs.

const KEY = "parley.session";
const DEVICE = "parley.device";
const LOCK = "parley.refresh";
const AHEAD_MILLISECONDS = 60_000;
const base = new URL("../../../", import.meta.url);

/** Resolves addresses of the API, which serves this page. */
export const address = (path) => new URL(path.replace(/^\//, ""), base);

/** An event "change" when another account, or none, is signed in: in this tab or another. */
export const changes = new EventTarget();

export function read() {
  try {
    return JSON.parse(localStorage.getItem(KEY));
  } catch {
    return null;
  }
}

export const deviceToken = () => localStorage.getItem(DEVICE) ?? undefined;

/** Keeps the answer of a sign-in. */
export function begin(signedIn) {
  localStorage.setItem(DEVICE, signedIn.device_token);
  store(signedIn, signedIn.user.id);
  changes.dispatchEvent(new Event("change"));
}

/** Forgets the session, if it is still the one with this access token. */
export function end(access = read()?.access) {
  if (!access || read()?.access !== access) return;
  localStorage.removeItem(KEY);
  changes.dispatchEvent(new Event("change"));
}

/** An access token that lasts a while yet; null without a session. Throws what `fetch` throws. */
export async function accessToken() {
  const session = read();
  if (!session) return null;
  return session.ends - AHEAD_MILLISECONDS > Date.now() ? session.access : refreshed(session.access);
}

/**
 * Exchanges the tokens, unless another tab has done so since `stale` was read. Browsers copy the storage between processes, so
 * a tab may read the old tokens a moment longer: within ten seconds the server gives it the same new ones.
 */
export function refreshed(stale) {
  const exchange = async () => {
    const session = read();
    if (!session) return null;
    if (session.access !== stale) return session.access;
    const response = await fetch(address("auth/refresh"), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ refresh_token: session.refresh }),
    });
    if (response.ok) {
      store(await response.json(), session.account);
    } else if (response.status === 401 || response.status === 400) {
      end(stale);
    } else {
      throw new TypeError(`The tokens could not be exchanged: ${response.status}`);
    }
    return read()?.access ?? null;
  };
  // Locks need a secure context. Without one, those ten seconds must do.
  return navigator.locks ? navigator.locks.request(LOCK, exchange) : exchange();
}

function store(tokens, account) {
  const ends = Date.now() + tokens.expires_in * 1000;
  localStorage.setItem(KEY, JSON.stringify({
    access: tokens.access_token, refresh: tokens.refresh_token, ends, account,
  }));
}

addEventListener("storage", (event) => {
  if (event.key !== KEY && event.key !== null) return;
  const account = (text) => (text ? JSON.parse(text).account : null);
  if (event.key === null || account(event.oldValue) !== account(event.newValue)) changes.dispatchEvent(new Event("change"));
});
