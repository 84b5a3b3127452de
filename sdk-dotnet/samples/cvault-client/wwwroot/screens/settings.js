import { get, post } from '../api.js';
import { field, form, h, problemBox, toggle } from '../dom.js';
import { date } from '../format.js';

/** Fourth screen: devices, what the client does by itself, the account. */
export function settings({ state, refresh }) {
  const problem = problemBox();
  const list = h('ul.devices', { 'aria-busy': 'true' }, h('li', {}, 'Loading…'));

  async function listDevices() {
    try {
      const { devices } = await get('devices');
      list.replaceChildren(...(devices.length ? devices.map(row) : [h('li', {}, 'No devices yet: the first connect registers this one.')]));
    } catch (error) {
      list.replaceChildren(h('li', {}, 'The devices could not be read.'));
      problem.show(error);
    }
    list.removeAttribute('aria-busy');
  }

  function row(device) {
    const remove = h('button', { type: 'button', 'aria-label': `Remove ${device.device_name}` }, 'Remove');
    const actions = h('.actions', {}, remove);
    remove.addEventListener('click', () => {
      const yes = h('button.danger', { type: 'button', 'aria-label': `Yes, remove ${device.device_name}` }, 'Yes, remove');
      const no = h('button', { type: 'button' }, 'Keep');
      actions.replaceChildren(yes, no);
      no.focus();
      no.addEventListener('click', () => { actions.replaceChildren(remove); remove.focus(); });
      yes.addEventListener('click', async () => {
        try {
          await post('devices/remove', { device_id: device.device_id });
          problem.show(null);
        } catch (error) {
          problem.show(error);
        }
        await listDevices();
        title.focus();
      });
    });
    return h('li', {},
      h('.device', {},
        h('strong', {}, device.device_name, device.this_device ? h('span.badge', {}, 'this device') : null),
        h('span.help', {}, `${device.assigned_ip ?? 'no address while parked'} · since ${date(device.created_at)}`)),
      actions);
  }

  const title = h('h2', { id: 'devices-title', tabindex: '-1' }, 'Devices');
  const save = (change) => post('settings', change).then(() => { problem.show(null); return refresh(); }, (error) => problem.show(error));
  const check = field({ id: 'check_url', label: 'Address check URL', type: 'url', value: state.check_url ?? '', autocomplete: 'off', spellcheck: 'false', help: 'A page that answers with the caller’s IP address as plain text. Empty: no check.' });
  const saved = h('span.help', { role: 'status' });

  const element = h('div', {},
    h('h1', {}, 'Settings'),
    problem.element,
    h('.columns', {},
      h('section.card', { 'aria-labelledby': 'devices-title' }, title, h('p.help', {}, 'Removing a device ends its tunnel for good and frees its place.'), list),
      h('section.card', { 'aria-labelledby': 'connecting-title' },
        h('h2', { id: 'connecting-title' }, 'Connecting'),
        toggle({ id: 'auto_connect', label: 'Auto-connect', help: 'Connect to the last region when cvault-client ui starts.', checked: state.settings.auto_connect, onchange: (on) => save({ auto_connect: on }) }).element,
        toggle({ id: 'kill_switch', label: 'Kill switch', help: 'While you are connected nothing leaves this computer outside the tunnel, not even while it reconnects. Holds from the next connect.', checked: state.settings.kill_switch, onchange: (on) => save({ kill_switch: on }) }).element,
        form({ fields: { check_url: check }, button: 'Save', busy: 'Saving…', children: [saved], submit: async (values) => { saved.textContent = ''; await post('settings', values); saved.textContent = 'Saved.'; } }))),
    h('section.card', { 'aria-labelledby': 'account-title' },
      h('h2', { id: 'account-title' }, 'Account'),
      h('dl.facts', {},
        h('dt', {}, 'API'), h('dd', {}, state.api_url),
        h('dt', {}, 'API key'), h('dd', {}, state.api_key_hint)),
      h('.actions', {},
        h('button.danger', { type: 'button', id: 'logout', onclick: async () => {
          try {
            await post('logout');
            history.replaceState(null, '', location.pathname);
            await refresh();
          } catch (error) {
            problem.show(error);
          }
        } }, 'Log out'),
        h('a.button', { href: '#/configure' }, 'Use another API'))));

  listDevices();
  return { element };
}
