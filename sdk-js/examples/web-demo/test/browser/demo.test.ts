import { randomUUID } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { serve } from '../../serve.mjs';
import * as chromium from './browser';
import { expectNoOtherHost, expectSecret, look, open, stored, tokensIn, type Watched } from './browser';
import * as lab from './lab';
import * as stack from './stack';

const why = !chromium.isThere ? `there is no ${chromium.executable}` : !stack.isThere ? 'CVAULT_URL, CVAULT_MEMBER_EMAIL and CVAULT_MEMBER_PASSWORD are not set' : '';
if (why) console.warn(`Browser tests are skipped: ${why}.`);

const password = 'canary correct horse battery';
const hostile = '<img src=x onerror="window.hit=1">';
const sizes = [{ width: 1280, height: 800 }, { width: 390, height: 844 }];

describe.skipIf(why)('the web demo', { timeout: 180_000 }, () => {
  let server: Server;
  let browser: Browser;
  let address: string;
  let key: string;
  let watched: Watched | undefined;

  const addressOf = (s: Server) => `http://127.0.0.1:${(s.address() as AddressInfo).port}/`;
  const start = async (size = sizes[0]!): Promise<Page> => {
    watched = await open(browser, address, { viewport: size, ...(size.width < 500 && { hasTouch: true, isMobile: true }) });
    return watched.page;
  };
  const enterKey = async (page: Page, apiKey = key) => {
    await page.getByLabel('API URL').fill(stack.api);
    await page.getByLabel('Publishable key').fill(apiKey);
    await page.getByRole('button', { name: 'Continue' }).click();
  };
  const register = async (page: Page, email: string) => {
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Make the account' }).click();
    await heading(page, 'Connection');
  };
  const heading = (page: Page, name: string) => page.getByRole('heading', { level: 1, name, exact: true }).waitFor();
  const goTo = async (page: Page, screen: string) => {
    await page.getByRole('navigation').getByRole('link', { name: screen }).click();
    await heading(page, screen === 'About' ? 'About this demo' : screen);
  };
  const addDevice = async (page: Page, name: string, region = '') => {
    await goTo(page, 'Devices');
    await page.getByLabel('Name').fill(name);
    if (region) await page.getByLabel('Region').selectOption(region);
    await page.getByRole('button', { name: 'Add device' }).click();
    await heading(page, `Config of ${name}`);
  };
  const config = (page: Page) => page.getByRole('region', { name: 'The config' });
  const newEmail = () => `web-${randomUUID()}@example.com`;

  beforeAll(async () => {
    server = await serve(0);
    address = addressOf(server);
    key = await stack.makeKey(new URL(address).origin);
    browser = await chromium.launch();
  }, 60_000);
  afterEach(async () => {
    await watched?.page.context().close();
    watched = undefined;
  });
  afterAll(async () => {
    await browser?.close();
    server?.close();
    if (key) await stack.revokeKey(key);
  });

  test.each(sizes)('goes from the first page to a connected device at $width pixels', async (size) => {
    const page = await start(size);
    const email = newEmail();

    await heading(page, 'Connect to your tenant');
    await page.getByText('This is a demo.').waitFor();
    await look(page, '01-key');
    await enterKey(page);

    await heading(page, 'Sign in');
    await look(page, '02-sign-in');
    await register(page, email);
    await page.getByText('Start here').waitFor();
    await look(page, '03-first-steps');

    await addDevice(page, 'Laptop', 'us-east');
    await expect.poll(() => config(page).textContent()).toContain('[Interface]');
    expect(await config(page).textContent()).toContain('PrivateKey = ••••');
    await look(page, '04-config');

    await page.getByRole('button', { name: 'Show keys' }).click();
    const lines = await config(page).locator('code > span').allTextContents();
    const privateKey = /^PrivateKey = (\S{43}=)$/m.exec(lines.join('\n'))![1]!;
    const presharedKey = /^PresharedKey = (\S{43}=)$/m.exec(lines.join('\n'))![1]!;
    await look(page, '05-config-with-keys');

    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download .conf' }).click();
    const download = await downloading;
    expect(download.suggestedFilename()).toBe('laptop.conf');
    expect(await readFile(await download.path(), 'utf8')).toBe(lines.join('\n') + '\n');
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied').waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(lines.join('\n') + '\n');

    await page.getByRole('button', { name: 'Hide keys' }).click();
    await page.getByRole('button', { name: 'Show QR code' }).click();
    const code = page.getByRole('img', { name: /QR code/ });
    await expect.poll(() => code.evaluate((img: HTMLImageElement) => img.naturalWidth)).toBeGreaterThan(100);
    await look(page, '06-qr-code');

    await goTo(page, 'Connection');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('Connected', { exact: true }).waitFor();
    await page.getByText('Tunnel down').or(page.getByText('Tunnel not known yet')).waitFor();
    await look(page, '07-connected');

    await page.getByLabel('Region').selectOption('eu-west');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('Laptop needs its new config').waitFor();
    await look(page, '08-moved');

    await goTo(page, 'Servers');
    await page.getByRole('main').getByText('us-east').first().waitFor();
    await look(page, '09-servers');
    await goTo(page, 'Usage');
    await page.getByText('Open sessions', { exact: true }).waitFor();
    await look(page, '10-usage');
    await goTo(page, 'Devices');
    await page.getByRole('heading', { name: 'Laptop' }).waitFor();
    await look(page, '11-devices');
    await goTo(page, 'Logs');
    await page.getByText(/POST \/api\/v1\/vpn\/connect/).first().waitFor();
    await look(page, '12-logs');
    await goTo(page, 'About');
    await page.getByRole('link', { name: 'API documentation' }).waitFor();
    await look(page, '13-about');

    await goTo(page, 'Connection');
    await page.getByRole('button', { name: 'Disconnect' }).click();
    await page.getByText('Disconnected', { exact: true }).waitFor();

    const { accessToken, refreshToken } = await tokensIn(page, 'sessionStorage');
    await expectSecret(watched!, { password, email, accessToken, refreshToken, privateKey, presharedKey });
    expectNoOtherHost(watched!, address);
    expect(watched!.console).toEqual([]);
    expect(await stored(page, 'localStorage')).toBe('{}'); // nothing was to be remembered
  });

  test.skipIf(!lab.isThere)('sees the tunnel that was made elsewhere with its config', async () => {
    const page = await start();
    await enterKey(page);
    await register(page, newEmail());
    await addDevice(page, 'Web demo');
    const downloading = page.waitForEvent('download');
    await page.getByRole('button', { name: 'Download .conf' }).click();
    const folder = await mkdtemp(join(tmpdir(), 'web-demo-'));
    const file = join(folder, 'web-demo.conf');
    await (await downloading).saveAs(file);
    await chmod(file, 0o600);
    await goTo(page, 'Connection');
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByText('Connected', { exact: true }).waitFor();

    await lab.addClient('web-demo');
    await lab.on('web-demo', 'wg-quick', 'up', file);
    try {
      expect(await lab.on('web-demo', 'curl', '-s', '--max-time', '10', 'http://198.51.100.2/ip')).toMatch(/^198\.51\.100\.1[12]/);
      expect((await lab.on('web-demo', 'curl', '-s', '--max-time', '20', 'http://198.51.100.2/bytes/1000000')).length).toBe(1_000_000);
      await page.getByText('Tunnel up').waitFor({ timeout: 60_000 });
      await goTo(page, 'Usage');
      await page.getByText(/^1\.\d MB$/).first().waitFor({ timeout: 60_000 });
      await look(page, '14-traffic');
      expect(watched!.console).toEqual([]);
    } finally {
      await lab.on('web-demo', 'wg-quick', 'down', file);
      await rm(folder, { recursive: true });
    }
  });

  test('shows a hostile device name as text, everywhere', async () => {
    const page = await start(sizes[1]);
    await enterKey(page);
    await register(page, newEmail());
    await addDevice(page, hostile);
    await goTo(page, 'Devices');
    await page.getByRole('heading', { name: hostile }).waitFor();
    await look(page, '20-hostile-name');
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('dialog', { name: `Remove ${hostile}?` }).waitFor();
    await look(page, '21-dialog');
    await page.getByRole('button', { name: 'Cancel' }).click();
    await goTo(page, 'Connection');
    expect(await page.getByLabel('Device', { exact: true }).locator('option').allTextContents()).toEqual([hostile]);
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await page.getByRole('heading', { name: hostile }).waitFor();
    await goTo(page, 'Usage');
    await page.getByRole('heading', { name: hostile }).waitFor();
    await goTo(page, 'Logs');
    expect(await page.evaluate(() => [(globalThis as { hit?: number }).hit, document.images.length])).toEqual([undefined, 0]);
    expect(watched!.console).toEqual([]);
  });

  test('rotates a key and removes a device', async () => {
    const page = await start();
    await enterKey(page);
    await register(page, newEmail());
    await addDevice(page, 'Phone');
    await page.getByRole('button', { name: 'Show keys' }).click();
    const before = await config(page).textContent();

    await goTo(page, 'Devices');
    await page.getByRole('button', { name: 'Rotate key' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Rotate key' }).click();
    await heading(page, 'Config of Phone');
    await page.getByRole('button', { name: 'Show keys' }).click();
    expect(await config(page).textContent()).not.toBe(before);

    await goTo(page, 'Devices');
    await page.getByRole('button', { name: 'Remove' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click();
    await page.getByText('No devices yet.').waitFor();
    expect(watched!.console).toEqual([]);
  });

  test('keeps the sign-in in its tab, or in the browser where that was chosen', async () => {
    const page = await start();
    const email = newEmail();
    await enterKey(page);
    await register(page, email);
    await page.reload();
    await heading(page, 'Connection');
    const another = await page.context().newPage();
    await another.goto(address);
    await heading(another, 'Connect to your tenant');

    await goTo(page, 'About');
    await page.getByRole('button', { name: 'Sign out and use another key' }).click();
    await heading(page, 'Connect to your tenant');
    expect(await stored(page, 'sessionStorage')).toBe('{}');

    await page.getByLabel('Remember on this device').check();
    await enterKey(page);
    await page.getByLabel('Email').fill(email);
    await page.getByLabel('Password').fill(password);
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await heading(page, 'Connection');
    expect((await tokensIn(page, 'localStorage')).accessToken).not.toBe('');
    expect(await stored(page, 'sessionStorage')).toBe('{}');
    await another.reload();
    await heading(another, 'Connection');

    await page.getByRole('button', { name: 'Sign out' }).click();
    await heading(page, 'Sign in');
    expect(await tokensIn(page, 'localStorage')).toEqual({ accessToken: '', refreshToken: '' });
    expect(watched!.console).toEqual([]);
  });

  test('asks for the sign-in again when it was ended elsewhere', async () => {
    const page = await start();
    await enterKey(page);
    await register(page, newEmail());
    await stack.endLogin(key, (await tokensIn(page, 'sessionStorage')).refreshToken);
    await page.getByText('Your sign-in has ended.').waitFor({ timeout: 60_000 }); // an open page asks for its status every 15 seconds
    expect(await tokensIn(page, 'sessionStorage')).toEqual({ accessToken: '', refreshToken: '' });
  });

  test('says what is wrong, and what to do', async () => {
    const page = await start(sizes[1]);
    await enterKey(page, 'cvs_secretsecretsecret');
    await page.getByText('This is a secret key.').waitFor();
    await enterKey(page, 'cvp_000000000000000000000000');
    await page.getByText('The API does not know this key').waitFor();
    await look(page, '30-unknown-key');
    await enterKey(page);

    await page.getByLabel('Email').fill(newEmail());
    await page.getByLabel('Password').fill('not the password');
    await page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await page.getByText('The email or the password is wrong').waitFor();
    await page.getByRole('button', { name: 'Make an account' }).click();
    await page.getByLabel('Email').fill('nobody');
    await page.getByRole('button', { name: 'Make the account' }).click();
    await page.getByText('A valid email address is required.').waitFor();
    await look(page, '31-fields');
    await page.getByRole('button', { name: 'Sign in instead' }).click();
    await register(page, newEmail());
    await page.goto(`${address}#devices/${randomUUID()}`);
    await page.getByText('This is not there (any more)').waitFor();
    // The browser itself says on the console which answers were errors; the page says nothing.
    expect(watched!.console.filter((line) => !line.text.startsWith('Failed to load resource'))).toEqual([]);
  });

  test('tells a page of another origin how to be let in', async () => {
    const other = await serve(0);
    try {
      const origin = new URL(addressOf(other)).origin;
      watched = await open(browser, addressOf(other), { viewport: sizes[0]! });
      await enterKey(watched.page);
      await watched.page.getByText(`the key’s allowed origins must have ${origin}`).waitFor();
    } finally {
      other.close();
    }
  });

  test('can be used by keyboard alone', async () => {
    const page = await start();
    await heading(page, 'Connect to your tenant');
    await page.keyboard.press('Tab');
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(stack.api);
    await page.keyboard.press('Tab');
    await page.keyboard.type(key);
    await page.keyboard.press('Enter');
    await heading(page, 'Sign in');
    await register(page, newEmail());
    await page.reload();
    await heading(page, 'Connection');
    await page.keyboard.press('Tab');
    await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Connection');
    await goTo(page, 'Servers');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Servers');
  });
});
