import CVault, { type SessionStorage, type StoredSession } from '@cvault/sdk-js';
import { write } from './log';
import { storageOf, type Settings } from './settings';

/** The SDK's client for these settings: its calls and events are shown in the log panel. */
export function createClient(settings: Settings): CVault {
  const cvault = new CVault({
    apiKey: settings.apiKey,
    baseUrl: settings.baseUrl,
    storage: tokensIn(storageOf(settings), settings),
    logger: ({ method, path, status, ms, attempt, requestId, error }) => {
      const outcome = status === 0 ? (error ?? 'no answer') : `${status}${error ? ` ${error}` : ''}`;
      const notes = [`${Math.round(ms)} ms`, attempt > 1 && `attempt ${attempt}`, requestId && `request ${requestId}`];
      write(error ? 'error' : 'call', `${method} ${path} → ${outcome} (${notes.filter(Boolean).join(', ')})`);
    },
  });
  cvault.on('connected', ({ serverRegion }) => write('event', `connected to ${serverRegion}`));
  cvault.on('disconnected', () => write('event', 'disconnected'));
  cvault.on('error', ({ code }) => write('event', `error ${code}`));
  return cvault;
}

/** The SDK's own storage is localStorage; this one is whichever was chosen in the key form. Each API and key has a login of its own: another's tokens are not for it. */
export function tokensIn(storage: Storage, { baseUrl, apiKey }: Settings): SessionStorage {
  const name = `cvault-demo-session ${baseUrl} ${apiKey}`;
  return {
    get() {
      try {
        return JSON.parse(storage.getItem(name) ?? 'null') as StoredSession | null;
      } catch {
        return null; // not what was written below
      }
    },
    set: (session) => storage.setItem(name, JSON.stringify(session)),
    clear: () => storage.removeItem(name),
  };
}

/** All pages of a list, by the SDK's iterator. */
export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list) items.push(item);
  return items;
}
