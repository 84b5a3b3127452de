import { isPage } from './platform.js';

/** What a store holds of a login. Secret: whoever has it is the user. */
export interface StoredSession {
  userId: string;

  /** JWT for `Authorization: Bearer`. */
  accessToken: string;

  /** Good for one refresh; used a second time it ends the login. */
  refreshToken: string;

  /** When the access token expires, in milliseconds since 1970. */
  expiresAt: number;

  /** The idempotency key of the next refresh, so that it is one to the API whoever of those that share the login makes it, and however often. The SDK makes one where there is none. */
  refreshKey?: string;
}

/** Where a client keeps its login. An app with a keychain (Electron's `safeStorage`, say) brings its own. */
export interface SessionStorage {
  /** Null when nobody is signed in. */
  get(): StoredSession | null | Promise<StoredSession | null>;
  set(session: StoredSession): void | Promise<void>;
  clear(): void | Promise<void>;
}

/** A login that ends with the process. */
export function memoryStorage(): SessionStorage {
  let held: StoredSession | null = null;
  return {
    get: () => held,
    set: session => void (held = session),
    clear: () => void (held = null),
  };
}

/**
 * A login that a page's tabs share and that outlives them. Every script of the page's origin can read it.
 * @param key The name of the item.
 * @throws Where the browser denies the page its storage.
 */
export function localStorageStorage(key = 'cvault.session'): SessionStorage {
  const area = globalThis.localStorage;
  return {
    get() {
      try {
        const read: unknown = JSON.parse(area.getItem(key) ?? 'null');
        return isSession(read) ? read : null;
      } catch {
        return null; // Somebody else's item, or half of one.
      }
    },
    set: session => area.setItem(key, JSON.stringify(session)),
    clear: () => area.removeItem(key),
  };
}

/** localStorage in a page, memory elsewhere. Logins of different APIs and tenants are kept apart: one is never sent to another. */
export function defaultStorage(name: string): SessionStorage {
  try {
    if (isPage() && globalThis.localStorage) return localStorageStorage(`cvault.session ${name}`);
  } catch {
    // The browser denies this page its storage.
  }

  return memoryStorage();
}

function isSession(value: unknown): value is StoredSession {
  const session = value as Partial<StoredSession> | null;
  return typeof session?.accessToken === 'string' && typeof session.refreshToken === 'string' && typeof session.userId === 'string' && typeof session.expiresAt === 'number';
}
