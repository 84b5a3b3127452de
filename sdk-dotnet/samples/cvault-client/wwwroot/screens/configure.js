import { post } from '../api.js';
import { field, form, h } from '../dom.js';

/** First screen: which business's API this client speaks to. */
export function configure({ state, refresh }) {
  const fields = {
    api_url: field({ id: 'api_url', label: 'API URL', type: 'url', value: state.api_url ?? '', placeholder: 'https://api.example.com', required: true, autocomplete: 'url', spellcheck: 'false', help: 'Where CVault answers. https, or http on this computer alone.' }),
    api_key: field({ id: 'api_key', label: 'Publishable API key', type: 'text', placeholder: 'cvp_…', required: true, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none', help: 'Your business gives it; it begins with cvp_. A secret key (cvk_, cvs_) belongs on a server and is refused here.' }),
    check_url: field({ id: 'check_url', label: 'Address check URL (optional)', type: 'url', value: state.check_url ?? '', autocomplete: 'off', spellcheck: 'false', help: 'A page that answers with the caller’s IP address as plain text. It shows your address before and after you connect.' }),
  };
  return {
    element: h('section.card.narrow', {},
      h('p.step', {}, 'Step 1 of 2'),
      h('h1', {}, 'Configure'),
      h('p.lead', {}, 'Enter the API that your business uses. Both are kept on this computer, readable by you alone.'),
      form({
        fields, button: 'Save and continue', busy: 'Checking…',
        submit: async (values) => {
          await post('configure', values);
          if (location.hash) history.replaceState(null, '', location.pathname);
          await refresh();
        },
      }),
      state.configured ? h('p', {}, h('a', { href: '#/dashboard' }, 'Cancel')) : null),
  };
}
