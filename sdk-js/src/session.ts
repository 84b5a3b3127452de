import { ErrorCode, isCVaultError, notSignedIn } from './errors.js';
import type { Wire } from './names.js';
import { isNode } from './platform.js';
import type { SessionStorage, StoredSession } from './storage.js';
import { abortable, newIdempotencyKey, type Transport } from './transport.js';

/** A token that expires so soon (milliseconds) may have expired when it arrives. */
const margin = 30_000;

/** A login, as the API answers it. */
export type Tokens = Required<Wire['TokenView']>;

/** What the clients that share a store share: one refresh for all of them, and one write after the other. */
class Shared {
  static readonly #all = new WeakMap<SessionStorage, Shared>();

  /** The refresh that is under way. */
  refresh: Promise<StoredSession> | undefined;
  #last: Promise<unknown> = Promise.resolve();

  static of(storage: SessionStorage): Shared {
    const shared = Shared.#all.get(storage) ?? new Shared();
    Shared.#all.set(storage, shared);
    return shared;
  }

  /** Runs alone among those that use the store. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => {});
    return turn;
  }
}

/** The login of a client: kept in its store, refreshed when it expires. */
export class Sessions {
  readonly #storage: SessionStorage;
  readonly #transport: Transport;
  readonly #shared: Shared;

  constructor(storage: SessionStorage, transport: Transport) {
    this.#storage = storage;
    this.#transport = transport;
    this.#shared = Shared.of(storage);
  }

  /** Null when nobody is signed in. */
  async read(): Promise<StoredSession | null> {
    return await this.#storage.get();
  }

  /** Signs in whom the tokens are of. */
  async start(tokens: Tokens): Promise<void> {
    const session = sessionOf(tokens);
    await this.#shared.alone(async () => await this.#storage.set(session));
  }

  /** Forgets the login; returns what it was. */
  async end(): Promise<StoredSession | null> {
    return await this.#shared.alone(async () => {
      const session = await this.#storage.get();
      await this.#storage.clear();
      return session;
    });
  }

  /**
   * Calls with an access token, and once more with another one of the same user when the API does not take the first.
   * @param signal Ends this caller's wait for a refresh, not the refresh.
   */
  async with<T>(signal: AbortSignal | undefined, send: (accessToken: string) => Promise<T>): Promise<T> {
    const first = await this.#good(signal);
    try {
      return await send(first.accessToken);
    } catch (error) {
      if (!isRefusal(error)) throw error;
      return await send((await this.#good(signal, first)).accessToken);
    }
  }

  /** @param refused A login whose access token the API did not take. */
  async #good(signal: AbortSignal | undefined, refused?: StoredSession): Promise<StoredSession> {
    let userId = refused?.userId;
    let found: StoredSession | undefined;
    // One round is enough, but where the refresh under way was another token's and ends with the refused one.
    for (let round = 0; round < 2 && (!found || found.accessToken === refused?.accessToken); round++) {
      const session = await this.read();
      // Whoever signs in meanwhile did not make this call.
      if (!session || session.userId !== (userId ??= session.userId)) throw notSignedIn();
      if (isGood(session, refused?.accessToken)) return session;
      signal?.throwIfAborted(); // A refresh that nobody waits for would fail unheard.
      const shared = this.#shared;
      const refresh = (shared.refresh ??= this.#locked(refused?.accessToken).finally(() => (shared.refresh = undefined)));
      found = await abortable(refresh, signal);
      if (found.userId !== userId) throw notSignedIn();
    }

    return found!;
  }

  /**
   * Tabs share the store: one of them refreshes, since a refresh token that is used twice ends the login. One that reads what
   * another has written a moment ago may still find the old token (localStorage is each process's copy): it then refreshes with
   * the same key, and the API answers both alike.
   */
  async #locked(refused: string | undefined): Promise<StoredSession> {
    const refresh = () => this.#refresh(refused);
    // In Node.js too there are locks, of late; one for all users of a server would only make them wait for each other.
    const locks = isNode() ? undefined : (globalThis.navigator as { locks?: LockManager } | undefined)?.locks;
    return await (locks ? locks.request(`cvault ${this.#transport.name}`, refresh) : refresh());
  }

  async #refresh(refused: string | undefined): Promise<StoredSession> {
    const used = await this.read(); // Again: another tab may have been faster.
    if (!used) throw notSignedIn();
    if (isGood(used, refused)) return used;
    const { refreshToken, refreshKey = newIdempotencyKey() } = used;
    // Kept before it is used: should this process end now, the next one asks for the same answer.
    if (!used.refreshKey) await this.#replace(refreshToken, { ...used, refreshKey });
    let next: StoredSession | null = null;
    let failure: unknown;
    try {
      next = sessionOf(await this.#transport.send({
        method: 'POST', path: '/api/v1/auth/refresh', body: { refresh_token: refreshToken } satisfies Wire['RefreshTokens'], options: { idempotencyKey: refreshKey }, read: tokensOf,
      }));
    } catch (error) {
      // Anything else, a suspended business or a proxy's page say, leaves the login as it is.
      if (!isRefusal(error)) throw error;
      failure = error;
    }

    const now = await this.#replace(refreshToken, next);
    if (now) return now;
    throw failure ?? notSignedIn();
  }

  /** Puts another login, or none, in the place of the one with this refresh token. Returns what there is then: who signed in or out meanwhile is right. */
  async #replace(refreshToken: string, next: StoredSession | null): Promise<StoredSession | null> {
    return await this.#shared.alone(async () => {
      const now = await this.#storage.get();
      if (now?.refreshToken !== refreshToken) return now;
      if (next) await this.#storage.set(next);
      else await this.#storage.clear();
      return next;
    });
  }
}

/** The API's word that a token is no good. */
const isRefusal = (error: unknown) => isCVaultError(error) && error.status === 401 && error.code === ErrorCode.Unauthenticated;

const isGood = (session: StoredSession, refused: string | undefined) => session.accessToken !== refused && session.expiresAt - Date.now() > margin;

/** The tokens of an answer that has all of them; half a login would take the place of a good one. */
export function tokensOf(answer: Wire['TokenView']): Tokens {
  const { user_id, access_token, refresh_token, expires_in } = answer;
  for (const text of [user_id, access_token, refresh_token]) if (typeof text !== 'string' || text === '') throw new TypeError('Not a login.');
  if (!Number.isFinite(expires_in)) throw new TypeError('Not a login.');
  return answer as Tokens;
}

const sessionOf = (tokens: Tokens): StoredSession => ({
  userId: tokens.user_id, accessToken: tokens.access_token, refreshToken: tokens.refresh_token, expiresAt: Date.now() + tokens.expires_in * 1000, refreshKey: newIdempotencyKey(),
});
