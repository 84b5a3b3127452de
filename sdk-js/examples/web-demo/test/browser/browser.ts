import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { api } from './stack';

export const executable = process.env.CVAULT_CHROMIUM ?? '/usr/bin/chromium';
export const isThere = existsSync(executable);

const pictures = process.env.CVAULT_SCREENSHOTS ?? fileURLToPath(new URL('../../screenshots', import.meta.url));
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

// Root cannot use Chromium's sandbox; in a container /dev/shm is small.
export const launch = (): Promise<Browser> => chromium.launch({ executablePath: executable, args: ['--no-sandbox', '--disable-dev-shm-usage'] });

/** A page of the demo that writes down what it says and whom it asks. */
export interface Watched {
  page: Page;
  /** Everything that it wrote to the console, and errors that nothing caught. */
  console: { type: string; text: string }[];
  /** Addresses of all requests, with their fragments. */
  urls: string[];
}

export async function open(browser: Browser, address: string, options: BrowserContextOptions): Promise<Watched> {
  const context = await browser.newContext({ ...options, permissions: ['clipboard-read', 'clipboard-write'], reducedMotion: 'reduce' });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  const watched: Watched = { page, console: [], urls: [] };
  page.on('console', (message) => watched.console.push({ type: message.type(), text: message.text() }));
  page.on('pageerror', (error) => watched.console.push({ type: 'error', text: String(error) }));
  page.on('request', (request) => watched.urls.push(request.url()));
  page.on('framenavigated', (frame) => watched.urls.push(frame.url()));
  await page.goto(address);
  return watched;
}

/** In light and in dark: a picture, nothing that sticks out at the side, and nothing serious that axe finds. */
export async function look(page: Page, name: string): Promise<void> {
  mkdirSync(pictures, { recursive: true });
  const size = page.viewportSize()!;
  // As high as the page, so that what is fixed to the window's edge is at the page's.
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: size.width, height: Math.max(size.height, height) });
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    await page.screenshot({ path: `${pictures}/${size.width}-${name}-${colorScheme}.png` });
    expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), `${name}: wider than the screen`).toBeLessThanOrEqual(0);
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { violations } = await (globalThis as unknown as { axe: typeof import('axe-core') }).axe.run(document, { resultTypes: ['violations'] });
      return violations.map((v) => ({ id: v.id, impact: v.impact, nodes: v.nodes.map((n) => `${n.target.join(' ')}: ${n.failureSummary}`) }));
    });
    expect(found.filter((v) => v.impact === 'serious' || v.impact === 'critical'), `${name} in ${colorScheme}: axe`).toEqual([]);
  }
  await page.setViewportSize(size);
}

/** Nobody but the page's own host and the API was asked for anything. */
export function expectNoOtherHost({ urls }: Watched, address: string): void {
  const own = [new URL(address).origin, new URL(api).origin];
  expect(urls.filter((url) => !own.includes(new URL(url.replace(/^blob:/, '')).origin))).toEqual([]);
}

/** None of these is in an address, on the console, in the page's address or title, or among the lines of the log panel. */
export async function expectSecret(watched: Watched, secrets: Record<string, string>): Promise<void> {
  const { page } = watched;
  await page.getByRole('link', { name: 'Logs' }).click();
  const places: Record<string, string> = {
    addresses: watched.urls.map((url) => `${url} ${decodeURIComponent(url)}`).join('\n'),
    console: watched.console.map((line) => line.text).join('\n'),
    'log panel': (await page.getByRole('region', { name: 'Log lines' }).textContent()) ?? '',
    'page address and title': `${page.url()} ${await page.title()}`,
  };
  expect(places['log panel']).toContain('/api/v1/devices'); // it does log
  for (const [place, text] of Object.entries(places)) {
    for (const [name, secret] of Object.entries(secrets)) {
      expect(secret.length, name).toBeGreaterThan(7);
      expect(text.includes(secret), `${name} in ${place}`).toBe(false);
    }
  }
}

/** The page's storage of this kind, as text. */
export const stored = (page: Page, kind: 'sessionStorage' | 'localStorage'): Promise<string> =>
  page.evaluate((kind) => JSON.stringify({ ...globalThis[kind] }), kind);

/** The tokens that the page keeps there; empty where it keeps none. */
export async function tokensIn(page: Page, kind: 'sessionStorage' | 'localStorage'): Promise<{ accessToken: string; refreshToken: string }> {
  const text = (await stored(page, kind)).replaceAll('\\"', '"');
  const find = (name: string) => new RegExp(`"${name}"\\s*:\\s*"([^"]+)"`, 'i').exec(text)?.[1] ?? '';
  return { accessToken: find('access_?token'), refreshToken: find('refresh_?token') };
}
