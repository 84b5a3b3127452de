const hasNode = () => typeof process !== 'undefined' && typeof process.versions?.node === 'string';

/** A browser's page or one of its workers, where everybody can read what the code holds. */
export const isPage = () => (typeof window !== 'undefined' && typeof document !== 'undefined') || ('WorkerGlobalScope' in globalThis && !hasNode());

/** Node.js, or Electron's main process; not Electron's pages. */
export const isNode = () => !isPage() && hasNode();
