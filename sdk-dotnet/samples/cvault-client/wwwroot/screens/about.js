import { h } from '../dom.js';

/** What this is, and where to read on. */
export function about({ state }) {
  return {
    element: h('section.card.narrow', {},
      h('h1', {}, 'About'),
      h('p.lead', {}, 'This is a demo. It shows a business what an app of its own can do with the CVault SDK: sign users in, register a device, open a tunnel and watch it.'),
      h('p', {}, 'It is made of the same packages that your app would use, CVault.Sdk for the API and CVault.Sdk.Tunnel for the tunnel. Its source is in ', h('code', {}, 'sdk-dotnet/samples/cvault-client'), '.'),
      h('dl.facts', {},
        h('dt', {}, 'Version'), h('dd', {}, state.version),
        h('dt', {}, 'API'), h('dd', {}, state.api_url ?? 'not configured'),
        h('dt', {}, 'Kept in'), h('dd', {}, h('code', {}, state.folder))),
      state.api_url
        ? h('p', {}, h('a', { href: new URL('/docs', state.api_url).href, target: '_blank', rel: 'noreferrer noopener' }, 'API documentation (opens in a new tab)'))
        : null,
      h('p', {}, h('a', { href: '#/dashboard' }, state.signed_in ? 'Back to the dashboard' : 'Back'))),
  };
}
