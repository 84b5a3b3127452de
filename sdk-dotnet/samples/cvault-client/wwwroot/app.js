import { enter, get, leave } from './api.js';
import { h, setText } from './dom.js';
import { about } from './screens/about.js';
import { configure } from './screens/configure.js';
import { dashboard } from './screens/dashboard.js';
import { settings } from './screens/settings.js';
import { signIn } from './screens/sign-in.js';

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const banner = document.getElementById('banner');
const announce = document.getElementById('announce');

let screen = null;
let shown = '';
let timer = 0;

/** Which screen it is time for: one cannot sign in before there is a key, nor connect before one is signed in. */
function wanted(state) {
  const asked = location.hash.slice(2);
  if (asked === 'about') return 'about';
  if (!state.configured || asked === 'configure') return 'configure';
  if (!state.signed_in) return 'sign-in';
  return asked === 'settings' ? 'settings' : 'dashboard';
}

const screens = { about, configure, dashboard, settings, 'sign-in': signIn };

function show(name, state) {
  if (shown !== name) {
    const first = shown === '';
    shown = name;
    screen = screens[name]({ state, refresh });
    main.replaceChildren(screen.element);
    const heading = main.querySelector('h1');
    document.title = `${heading.textContent} - CVault demo client`;
    if (!first) {
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
      scrollTo(0, 0);
    }
  }
  nav.hidden = !state.configured || !state.signed_in;
  for (const link of nav.children) {
    if (link.hash === `#/${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  screen.update?.(state);
  const { status, region } = state.connection;
  const words = { connected: `Connected to ${region}`, connecting: 'Connecting', disconnecting: 'Disconnecting', waiting: 'Waiting for the server', blocked: 'Blocked by the kill switch', disconnected: 'Disconnected' };
  if (state.signed_in) setText(announce, words[status]);
}

/** Reads the state and shows it; a screen calls this after it changed something. Once at a time, then each second. */
async function refresh() {
  clearTimeout(timer);
  let again = document.visibilityState === 'visible' ? 1000 : 10000;
  try {
    const state = await get('state');
    complain(null);
    show(wanted(state), state);
  } catch (error) {
    if (error.code === 'LINK_NEEDED') return needLink();
    complain(error);
    again = 3000;
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, again);
}

function complain(error) {
  const text = error ? `${error.message} ${error.hint ?? ''}` : '';
  if (banner.textContent === text) return;
  banner.replaceChildren(...(error ? [h('.problem', {}, text)] : []));
}

function needLink() {
  leave();
  clearTimeout(timer);
  nav.hidden = true;
  shown = 'link';
  document.title = 'New link needed - CVault demo client';
  main.replaceChildren(h('section.card.narrow', {},
    h('h1', {}, 'This page needs a new link'),
    h('p', {}, 'A link opens one page, once. In the terminal where ', h('code', {}, 'cvault-client ui'), ' runs, press Enter and open the link that it prints.')));
}

addEventListener('hashchange', () => { if (shown !== 'link') refresh(); });
document.addEventListener('visibilitychange', () => { if (document.visibilityState === 'visible' && shown !== 'link') refresh(); });

try {
  if (await enter()) await refresh();
  else needLink();
} catch (error) {
  complain(error);
}
