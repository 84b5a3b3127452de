/**
 * Calls to the client that serves this page. Each needs two things of the sign-in by the printed link: the cookie, which
 * the browser sends, and the page key, which only this origin's storage has. (Cookies of 127.0.0.1 reach every port; the
 * storage does not.)
 */
const KEY = 'page-key';

/** What the client refused, or why it could not be asked. `errors`: field to messages. */
export class ClientError extends Error {
  constructor({ code, message, hint = null, errors = {} }) {
    super(message);
    Object.assign(this, { code, hint, errors });
  }
}

/** Takes the one-time token out of the address, before anything else can see it there, and trades it for the cookie. */
export async function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get('token');
  if (token) {
    history.replaceState(null, '', location.pathname);
    try {
      const { page_key: key } = await call('POST', 'session', { token });
      sessionStorage.setItem(KEY, key);
    } catch (error) {
      if (error.code !== 'LINK_USED') throw error; // a link opened twice: the first opening may have been in this tab
    }
  }
  return sessionStorage.getItem(KEY) !== null;
}

/** Forgets the page key: the link's sign-in is over. */
export function leave() {
  sessionStorage.removeItem(KEY);
}

export const get = (path) => call('GET', path);
export const post = (path, body = {}) => call('POST', path, body);

async function call(method, path, body) {
  const headers = { 'X-Page-Key': sessionStorage.getItem(KEY) ?? '' };
  if (body) headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(`/ui/${path}`, { method, headers, body: body && JSON.stringify(body), cache: 'no-store', redirect: 'error' });
  } catch {
    throw new ClientError({ code: 'CLIENT_STOPPED', message: 'The client does not answer.', hint: 'Start it again in your terminal: cvault-client ui' });
  }
  const answer = await response.json().catch(() => null);
  if (response.ok) return answer;
  throw new ClientError(answer ?? { code: 'UNEXPECTED_ANSWER', message: `The client answered ${response.status}.` });
}
