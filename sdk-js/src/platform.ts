/** A browser's page, where everybody can read what the code holds. */
export const isPage = () => typeof window !== 'undefined' && typeof document !== 'undefined';

/** Node.js, or Electron's main process; not Electron's pages. */
export const isNode = () => !isPage() && typeof process !== 'undefined' && typeof process.versions?.node === 'string';
