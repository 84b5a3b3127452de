import { post } from '../api.js';
import { field, form, h } from '../dom.js';

/** Second screen: sign in, register, or enter the code that a mail brought. */
export function signIn({ state, refresh }) {
  const body = h('div');
  const element = h('section.card.narrow', {}, h('p.step', {}, 'Step 2 of 2'), body);

  const email = (help) => field({ id: 'email', label: 'Email', type: 'email', required: true, autocomplete: 'username', spellcheck: 'false', help });
  const password = (autocomplete, help) => field({ id: 'password', label: 'Password', type: 'password', required: true, autocomplete, help });

  const modes = {
    login: () => [
      h('h1', {}, 'Sign in'),
      h('p.lead', {}, 'With your account of the business at ', h('span.nowrap', {}, new URL(state.api_url).host), '.'),
      form({ fields: { email: email(), password: password('current-password') }, button: 'Sign in', busy: 'Signing in…', submit: async (values) => { await post('login', values); await refresh(); } }),
      h('p.switch', {}, 'No account yet? ', change('register', 'Register')),
    ],
    register: () => [
      h('h1', {}, 'Register'),
      h('p.lead', {}, 'Make an account with the business at ', h('span.nowrap', {}, new URL(state.api_url).host), '.'),
      form({
        fields: { email: email(), password: password('new-password', 'At least 8 characters.') }, button: 'Register', busy: 'Registering…',
        submit: async (values) => {
          const { status } = await post('register', values);
          if (status === 'verification_sent') set('verify');
          else await refresh();
        },
      }),
      h('p.switch', {}, 'Have an account? ', change('login', 'Sign in')),
    ],
    verify: () => [
      h('h1', {}, 'Check your mail'),
      h('p.lead', {}, 'We sent you a mail with a code. Enter it here; it is good for 24 hours and once.'),
      form({ fields: { token: field({ id: 'token', label: 'Code from the mail', type: 'text', required: true, autocomplete: 'one-time-code', spellcheck: 'false', autocapitalize: 'none' }) }, button: 'Confirm', busy: 'Confirming…', submit: async (values) => { await post('verify', values); await refresh(); } }),
      h('p.switch', {}, change('login', 'Back to sign in')),
    ],
  };

  function change(mode, text) {
    return h('button.link', { type: 'button', onclick: () => set(mode) }, text);
  }

  function set(mode) {
    body.replaceChildren(...modes[mode](), h('p.switch', {}, h('a', { href: '#/configure' }, 'Use another API')));
    const heading = body.querySelector('h1');
    document.title = `${heading.textContent} - CVault demo client`;
    body.querySelector('input').focus();
  }

  body.replaceChildren(...modes.login(), h('p.switch', {}, h('a', { href: '#/configure' }, 'Use another API')));
  return { element };
}
