/**
 * Walks through the interface in Chromium as a user would, from the first page to connected and out again, and fails at the
 * first thing that is not as it should be: a step that does not come about, an error in the console, an accessibility issue
 * that axe calls serious or critical, a page wider than its window, a secret in an address.
 *
 * Takes one JSON object on standard input, since a link or password among the arguments could be read by every process:
 *   link, api_url, api_key, check_url, email, password, region
 *   width            of the window, in pixels
 *   shots            folder for the pictures
 *   chromium         the browser; default /usr/bin/chromium
 *   address          the address that must be seen once connected
 * and writes one to standard output: { before, now, received }.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { chromium } from 'playwright-core';

const it = JSON.parse(await text(process.stdin));
const axe = createRequire(import.meta.url).resolve('axe-core/axe.min.js');
const token = it.link.split('token=')[1];
const wait = { timeout: 30_000 };
await mkdir(it.shots, { recursive: true });

const browser = await chromium.launch({ executablePath: it.chromium ?? '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });
try {
  const context = await browser.newContext({ viewport: { width: it.width, height: it.width < 600 ? 844 : 860 }, reducedMotion: 'reduce', colorScheme: 'light' });
  await context.addInitScript({ path: axe });
  const page = await context.newPage();
  const complaints = [];
  let forgiven = false;
  page.on('console', (message) => { if (message.type() === 'error' && !forgiven) complaints.push(`console: ${message.text()}`); });
  page.on('pageerror', (error) => complaints.push(`page: ${error.message}`));
  page.on('request', (request) => {
    const url = request.url();
    for (const secret of [it.password, token]) if (url.includes(encodeURIComponent(secret)) && !request.isNavigationRequest()) complaints.push(`a secret in the address ${new URL(url).pathname}`);
  });
  let shots = 0;

  /** The screen as it is now: looked through by axe, in one piece, and kept as a picture. */
  async function look(name) {
    await page.evaluate(() => document.fonts.ready);
    const found = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }));
    const bad = found.violations.filter((v) => v.impact === 'serious' || v.impact === 'critical');
    assert.deepEqual(bad.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(' ')}`), [], `axe on ${name}`);
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} pixels wider than the window`);
    await page.screenshot({ path: join(it.shots, `${it.width}-${String(++shots).padStart(2, '0')}-${name}.png`), fullPage: true });
    assert.deepEqual(complaints, [], name);
  }

  const heading = (name) => page.getByRole('heading', { level: 1, name }).waitFor(wait);
  const textOf = (id) => page.locator(`#${id}`).textContent();
  const until = (id, matches) => page.waitForFunction(([i, m]) => new RegExp(m).test(document.getElementById(i)?.textContent ?? ''), [id, matches], wait);

  await page.goto(it.link);
  await heading('Configure');
  assert.equal(new URL(page.url()).hash, '', 'the token leaves the address at once');
  await page.reload();
  await heading('Configure');
  await look('configure');

  await page.getByLabel('API URL').fill(it.api_url);
  await page.getByLabel('Publishable API key').fill('cvk_not_publishable');
  forgiven = true; // Chromium writes each refused call to the console
  await page.getByRole('button', { name: 'Save and continue' }).click();
  await page.getByText('This is a secret key').waitFor(wait);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'api_key');
  await look('configure-refused');
  forgiven = false;
  await page.getByLabel('Publishable API key').fill(it.api_key);
  await page.getByLabel('Address check URL').fill(it.check_url);
  await page.keyboard.press('Enter');

  await heading('Sign in');
  await look('sign-in');
  await page.getByRole('button', { name: 'Register' }).click();
  await heading('Register');
  await page.getByLabel('Email').fill(it.email);
  await page.getByLabel('Password').fill(it.password);
  await look('register');
  await page.keyboard.press('Enter');

  await page.getByRole('heading', { name: 'Connection', exact: true }).waitFor(wait);
  await until('status', '^Disconnected$');
  await page.getByRole('option', { name: new RegExp(`^${it.region} `) }).waitFor({ ...wait, state: 'attached' });
  await until('address-before', '\\d|not reachable');
  const before = await textOf('address-before');
  await page.getByLabel('Region').selectOption(it.region);
  await look('disconnected');

  await page.getByRole('link', { name: 'Settings' }).click();
  await heading('Settings');
  await page.getByText('No devices yet').waitFor(wait);
  await page.getByLabel('Kill switch').focus();
  await page.keyboard.press('Space');
  await page.waitForFunction(() => document.getElementById('kill_switch').checked, null, wait);
  await page.getByRole('link', { name: 'Dashboard', exact: true }).click();

  await page.getByRole('option', { name: new RegExp(`^${it.region} `) }).waitFor({ ...wait, state: 'attached' });
  await page.getByLabel('Region').selectOption(it.region);
  await page.getByRole('button', { name: 'Connect', exact: true }).click();
  await until('status', '^Connecting…$');
  await until('status', '^Connected$');
  await page.locator('.connection').getByText(`To ${it.region} by`).waitFor(wait);
  assert.match(await page.locator('#announce').textContent(), /Connected to/);
  if (it.address) await until('address-now', `^${it.address.replaceAll('.', '\\.')}$`);
  await page.locator('.shield').waitFor(wait);
  await until('totals', '[1-9]\\d* .*received');
  await page.waitForTimeout(6000); // for the chart to have something to show
  await look('connected');
  const now = await textOf('address-now');
  const received = await textOf('totals');

  await page.emulateMedia({ colorScheme: 'dark' });
  await look('connected-dark');
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByText('this device').waitFor(wait);
  await look('settings-dark');
  await page.emulateMedia({ colorScheme: 'light' });
  await look('settings');
  await page.getByRole('button', { name: /^Remove / }).click();
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Keep');
  await look('settings-remove');
  await page.getByRole('button', { name: 'Keep' }).click();
  await page.getByRole('navigation').getByRole('link', { name: 'About' }).click();
  await heading('About');
  await look('about');

  await page.getByRole('link', { name: 'Dashboard', exact: true }).click();
  await page.getByRole('button', { name: 'Disconnect' }).click();
  await until('status', '^Disconnected$');
  await page.getByText('Disconnected', { exact: true }).first().waitFor(wait);
  await look('disconnected-again');

  // The link is used: a page without its key gets nothing, not even with the cookie.
  const other = await context.newPage();
  await other.goto(it.link.split('#')[0]);
  await other.getByRole('heading', { name: 'This page needs a new link' }).waitFor(wait);
  await other.close();

  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await heading('Sign in');
  assert.deepEqual(complaints, []);
  console.log(JSON.stringify({ before, now, received }));
} finally {
  await browser.close();
}
