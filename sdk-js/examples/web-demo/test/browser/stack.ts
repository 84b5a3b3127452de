/** Arranges through the API what a journey needs: CVAULT_URL and the demo member's sign-in are those of `demo.env`. */
const { CVAULT_URL: url = '', CVAULT_MEMBER_EMAIL: email, CVAULT_MEMBER_PASSWORD: password } = process.env;

export const api = url;
export const isThere = Boolean(url && email && password);

async function call<T>(method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<T> {
  const answer = await fetch(url + path, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return (text ? JSON.parse(text) : {}) as T;
}

let member: Record<string, string> | undefined;

async function asMember(): Promise<Record<string, string>> {
  if (!member) {
    const { access_token } = await call<{ access_token: string }>('POST', '/api/v1/tenant/auth/login', {}, { email, password });
    member = { Authorization: `Bearer ${access_token}` };
  }
  return member;
}

/** A publishable key of the demo tenant for pages of `origin`; good for all nodes once this returns. */
export async function makeKey(origin: string): Promise<string> {
  const { api_key } = await call<{ api_key: string }>('POST', '/api/v1/tenant/api-keys', await asMember(), { kind: 'publishable', name: 'Web demo test', allowed_origins: [origin] });
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`${url}/api/v1/servers`, { headers: { 'X-API-Key': api_key, Origin: origin } });
    if (answer.ok && answer.headers.get('Access-Control-Allow-Origin') === origin) return api_key;
    if (tries === 50) throw new Error(`The key is not taken: ${answer.status}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

export const revokeKey = async (key: string): Promise<unknown> => call('DELETE', `/api/v1/tenant/api-keys/${key}`, await asMember());

/** Ends a user's login as another app of theirs would. */
export const endLogin = (key: string, refreshToken: string): Promise<unknown> => call('POST', '/api/v1/auth/logout', { 'X-API-Key': key }, { refresh_token: refreshToken });
