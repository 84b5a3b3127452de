import { get, post } from '../api.js';
import { bandwidthChart } from '../chart.js';
import { h, problemBox, setText } from '../dom.js';
import { bytes, clock, duration, rate } from '../format.js';

const WORDS = {
  connected: 'Connected', connecting: 'Connecting…', disconnecting: 'Disconnecting…', disconnected: 'Disconnected', waiting: 'Waiting for the server',
  blocked: 'Blocked by the kill switch',
};

/** Third screen: the connection, its bandwidth, its addresses, its log. */
export function dashboard({ state, refresh }) {
  const problem = problemBox();
  const status = h('p.status', {}, h('span.dot', { 'aria-hidden': 'true' }), h('span', { id: 'status' }));
  const detail = h('p.detail');
  const region = h('select', { id: 'region', name: 'region' });
  const regionNote = h('p.help', { id: 'region-help' });
  region.setAttribute('aria-describedby', 'region-help');
  const button = h('button.primary.big', { type: 'button', id: 'connect' });
  const before = h('dd', { id: 'address-before' });
  const now = h('dd', { id: 'address-now' });
  const addressNote = h('p.help');
  const shield = h('p.shield', { hidden: true }, 'Kill switch on: nothing leaves this computer outside the tunnel.');

  const chart = bandwidthChart();
  const down = h('span.number', { id: 'rate-down' });
  const up = h('span.number', { id: 'rate-up' });
  const peak = h('span.help');
  const totals = h('p.detail', { id: 'totals' });
  const log = h('ol.log', { tabindex: '0', 'aria-label': 'Connection log, newest first' });

  const element = h('div', {},
    h('h1.visually-hidden', {}, 'Dashboard'),
    problem.element,
    h('.columns', {},
      h('section.card.connection', { 'aria-labelledby': 'connection-title' },
        h('h2', { id: 'connection-title' }, 'Connection'),
        status, detail,
        h('.field', {}, h('label', { for: 'region' }, 'Region'), region, regionNote),
        button, shield,
        h('dl.addresses', {},
          h('div', {}, h('dt', {}, 'Address before'), before),
          h('div', {}, h('dt', {}, 'Address now'), now)),
        addressNote),
      h('section.card.bandwidth', { 'aria-labelledby': 'bandwidth-title' },
        h('h2', { id: 'bandwidth-title' }, 'Bandwidth'),
        h('.rates', {},
          h('p', {}, h('span.key.down', { 'aria-hidden': 'true' }), 'Received', down),
          h('p', {}, h('span.key.up', { 'aria-hidden': 'true' }), 'Sent', up)),
        h('.plot', {}, chart.element, h('.axis', {}, h('span.help', {}, 'a minute ago'), peak, h('span.help', {}, 'now'))),
        totals)),
    h('section.card', { 'aria-labelledby': 'log-title' },
      h('h2', { id: 'log-title' }, 'Connection log'), log));

  let connection = state.connection;
  let working = false;
  let newest = '';
  let told;

  button.addEventListener('click', async () => {
    if (working) return;
    working = true;
    problem.show(null);
    const leaving = connection.status !== 'disconnected';
    paint({ ...connection, status: leaving ? 'disconnecting' : 'connecting' });
    try {
      await (leaving ? post('disconnect') : post('connect', { region: region.value || null }));
    } catch (error) {
      problem.show(error);
    } finally {
      working = false;
      await refresh();
    }
  });

  async function listRegions(chosen) {
    let servers;
    try {
      ({ servers } = await get('servers'));
    } catch (error) {
      problem.show(error);
      setTimeout(() => element.isConnected && listRegions(region.value || chosen), 5000);
      return;
    }
    // A region is as good as its best server.
    const best = new Map();
    for (const s of servers) {
      const known = best.get(s.region);
      if (!known || (s.available && !known.available) || (s.available === known.available && s.load < known.load)) best.set(s.region, s);
    }
    const options = [...best.values()].sort((a, b) => a.region.localeCompare(b.region)).map((s) =>
      h('option', { value: s.region, disabled: !s.available }, `${s.region} · ${s.available ? `${s.load} % full` : 'not available'}${s.simulated ? ', simulated' : ''}`));
    region.replaceChildren(h('option', { value: '' }, 'Automatic'), ...options);
    region.value = best.has(chosen) ? chosen : '';
    setText(regionNote, servers.some((s) => s.simulated) ? 'These servers are simulated: nothing can connect to them.' : '');
  }

  async function readLog() {
    const { lines } = await get('logs').catch(() => ({ lines: [] }));
    const mark = `${lines.length} ${lines.at(-1)?.at ?? ''}`;
    if (mark === newest) return;
    newest = mark;
    log.replaceChildren(...(lines.length ? lines.toReversed().map((l) => h(`li.${l.level}`, {}, h('time', { datetime: l.at }, clock(l.at)), h('span', {}, l.text))) : [h('li', {}, 'Nothing yet.')]));
  }

  function paint(c) {
    connection = c;
    element.dataset.status = c.status;
    setText(status.lastChild, WORDS[c.status]);
    const since = c.status === 'connected' && c.since ? ` for ${duration((Date.now() - Date.parse(c.since)) / 1000)}` : '';
    setText(detail, {
      connected: `To ${c.region} by ${c.server}, as ${c.assigned_ip}${since}.`,
      waiting: 'The tunnel is up and the server does not answer yet. It goes on by itself as soon as the server does.',
      blocked: 'The tunnel is gone and nothing leaves this computer. Disconnect to lift the kill switch.',
      disconnected: 'Your traffic goes out as usual.',
    }[c.status] ?? 'One moment.');
    const off = c.status === 'disconnected' || c.status === 'connecting';
    setText(button, { connecting: 'Connecting…', disconnecting: 'Disconnecting…', disconnected: 'Connect' }[c.status] ?? 'Disconnect');
    button.classList.toggle('stop', !off);
    button.toggleAttribute('data-busy', c.status === 'connecting' || c.status === 'disconnecting');
    region.disabled = c.status !== 'disconnected';
    shield.hidden = !(c.kill_switch && c.status !== 'disconnected');
  }

  listRegions(state.connection.region ?? state.settings.region);

  return {
    element,
    update(next) {
      if (!working) paint(next.connection);
      if (!working && next.problem?.message !== told) {
        told = next.problem?.message;
        problem.show(next.problem);
      }
      setText(before, next.address.before ?? 'not known');
      setText(now, next.address.now ?? 'not known');
      setText(addressNote, next.address.note ?? '');
      const on = next.connection.status === 'connected' || next.connection.status === 'waiting';
      const rates = on ? chart.add(Date.parse(next.at) / 1000, next.connection.rx_bytes, next.connection.tx_bytes) : chart.clear();
      if (rates || !on) {
        setText(down, rate(rates?.rx ?? 0));
        setText(up, rate(rates?.tx ?? 0));
        setText(peak, rates ? `top ${rate(rates.peak)}` : '');
      }
      setText(totals, on ? `${bytes(next.connection.rx_bytes)} received and ${bytes(next.connection.tx_bytes)} sent through this tunnel.` : 'Shown while you are connected.');
      readLog();
    },
  };
}
