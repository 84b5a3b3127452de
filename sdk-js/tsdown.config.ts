import { defineConfig } from 'tsdown';

export default defineConfig([
  {
    entry: 'src/index.ts',
    format: ['esm', 'cjs'],
    platform: 'neutral',
    target: 'es2022',
    fixedExtension: false,
    sourcemap: true,
    dts: { sourcemap: true },
  },
  {
    // For a page without a bundler: `import CVault from './cvault.min.js'`. Also what the size is measured of.
    entry: { 'cvault.min': 'src/index.ts' },
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    fixedExtension: false,
    minify: true,
    sourcemap: true,
    dts: false,
    clean: false,
  },
]);
