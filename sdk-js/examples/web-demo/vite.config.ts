import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

/**
 * What the built page may do. `connect-src` is wide because the address of the API is typed into the page; who deploys
 * the demo for one API should name that one alone. Not in `vite dev`, whose hot reload is an inline script.
 */
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  'connect-src https: http://localhost:* http://127.0.0.1:*',
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const contentSecurityPolicy: Plugin = {
  name: 'content-security-policy',
  apply: 'build',
  transformIndexHtml: () => [
    { tag: 'meta', attrs: { 'http-equiv': 'Content-Security-Policy', content: policy }, injectTo: 'head-prepend' },
  ],
};

export default defineConfig({
  base: './', // the folder may lie anywhere on a web server
  plugins: [react(), tailwindcss(), contentSecurityPolicy],
  server: { host: '127.0.0.1', port: 4173, strictPort: true },
  build: {
    assetsInlineLimit: 0, // no data: URLs, which the policy refuses
    modulePreload: { polyfill: false },
    sourcemap: true,
  },
});
