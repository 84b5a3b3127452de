import CVault, { isCVaultError } from '@cvault/sdk-js';
import { write } from './log';
import { storageOf, type Settings } from './settings';

/** The tokens' name in the storage that was chosen in the key form. */
const session = 'cvault-demo-session';

/** The SDK's client for these settings: its calls and events are shown in the log panel. */
export function createClient(settings: Settings): CVault {
  const storage = storageOf(settings);
  const cvault = new CVault({
    apiKey: settings.apiKey,
    baseUrl: settings.baseUrl,
    storage: {
      get: () => storage.getItem(session),
      set: (value: string) => storage.setItem(session, value),
      remove: () => storage.removeItem(session),
    },
    logger: write,
  });
  cvault.on('connected', () => write('event', 'connected'));
  cvault.on('disconnected', () => write('event', 'disconnected'));
  cvault.on('error', (error) => {
    if (isCVaultError(error)) write('event', `error ${error.code}${error.requestId ? ` (request ${error.requestId})` : ''}`);
  });
  return cvault;
}

/** What the SDK answers, by the names that this page uses. */
export type Device = Awaited<ReturnType<CVault['devices']['get']>>;
export type Server = Awaited<ReturnType<CVault['servers']['list']>>['servers'][number];
export type Status = Awaited<ReturnType<CVault['vpn']['status']>>;
export type Session = Status['sessions'][number];

/** All pages of a list, by the SDK's iterator. */
export async function all<T>(list: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of list) items.push(item);
  return items;
}
