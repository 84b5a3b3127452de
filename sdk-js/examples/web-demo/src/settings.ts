/** What the key form asks for. A publishable key is no secret: every visitor of a tenant's page can read it. */
export interface Settings {
  /** Base URL of the API, without a slash at its end. */
  baseUrl: string;
  /** `cvp_…` */
  apiKey: string;
  /** True: key and sign-in are kept when the tab is closed (localStorage); false: they go with it (sessionStorage). */
  remember: boolean;
}

const name = 'cvault-demo-settings';

/** Where the settings and the tokens are kept. */
export const storageOf = (settings: Settings): Storage => (settings.remember ? localStorage : sessionStorage);

/** The settings of this tab, else those that were to be remembered; null when there are none. */
export function loadSettings(): Settings | null {
  for (const storage of [sessionStorage, localStorage]) {
    try {
      const kept = JSON.parse(storage.getItem(name) ?? 'null') as Settings | null;
      if (kept && Object.keys(errorsOf(kept)).length === 0) return kept;
    } catch {
      // Not what this page wrote there: as if there were none.
    }
  }
  return null;
}

export function saveSettings(settings: Settings): void {
  forgetSettings();
  storageOf(settings).setItem(name, JSON.stringify(settings));
}

export function forgetSettings(): void {
  sessionStorage.removeItem(name);
  localStorage.removeItem(name);
}

/** What is wrong with each field, in words for the person who filled it in; empty when nothing is. */
export function errorsOf(settings: Settings): { baseUrl?: string; apiKey?: string } {
  const errors: { baseUrl?: string; apiKey?: string } = {};
  if (!isAddress(settings.baseUrl)) {
    errors.baseUrl = 'The API’s address as https://host, without a path. Plain http works for this computer alone (127.0.0.1, localhost).';
  }
  if (/^cv[ks]_/.test(settings.apiKey)) {
    errors.apiKey = 'This is a secret key. It belongs on your server, never in a page: everybody who opens a page can read what is in it. Take a publishable key (cvp_…).';
  } else if (!/^cvp_[\w-]+$/.test(settings.apiKey)) {
    errors.apiKey = 'A publishable key, which begins with cvp_.';
  }
  return errors;
}

function isAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  const loopback = url.hostname === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(url.hostname);
  return (url.protocol === 'https:' || (url.protocol === 'http:' && loopback)) && url.origin === text;
}

/** What people paste, without what does no harm: spaces around it and slashes at its end. */
export const tidy = (settings: Settings): Settings => ({
  ...settings,
  baseUrl: settings.baseUrl.trim().replace(/\/+$/, ''),
  apiKey: settings.apiKey.trim(),
});
