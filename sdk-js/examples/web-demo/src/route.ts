import { useSyncExternalStore } from 'react';

/** The screens behind the sign-in. A screen's address is the page's fragment, which browsers send to nobody. */
export const screens = ['connection', 'devices', 'servers', 'usage', 'logs', 'about'] as const;
export type Screen = (typeof screens)[number];

export interface Route {
  screen: Screen;
  /** The device whose config is shown; only under `devices`. */
  deviceId: string | null;
}

/** `#devices/<id>`; what is unknown is the first screen. */
export function parseRoute(hash: string): Route {
  const [screen, deviceId] = hash.replace(/^#/, '').split('/');
  const known = screens.find((s) => s === screen) ?? 'connection';
  return { screen: known, deviceId: known === 'devices' && deviceId && /^[0-9a-f-]{36}$/i.test(deviceId) ? deviceId : null };
}

export const hrefOf = (screen: Screen, deviceId?: string): string => `#${screen}${deviceId ? `/${deviceId}` : ''}`;

export function goTo(screen: Screen, deviceId?: string): void {
  location.hash = hrefOf(screen, deviceId);
}

const subscribe = (changed: () => void) => {
  addEventListener('hashchange', changed);
  return () => removeEventListener('hashchange', changed);
};

export const useRoute = (): Route => parseRoute(useSyncExternalStore(subscribe, () => location.hash));
