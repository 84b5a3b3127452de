import type { Screen } from './route';

const paths: Record<Screen | 'shield', string> = {
  connection: 'M12 3v8M7.1 6.1a8 8 0 1 0 9.8 0',
  devices: 'M4 5h12a1 1 0 0 1 1 1v8H3V6a1 1 0 0 1 1-1zM2 18h12M18 10h3a1 1 0 0 1 1 1v8a1 1 0 0 1-1 1h-3a1 1 0 0 1-1-1v-1',
  servers: 'M4 4h16v7H4zM4 13h16v7H4zM8 7.5h.01M8 16.5h.01',
  usage: 'M4 20V10M10 20V4M16 20v-7M22 20H2',
  logs: 'M5 4h14v16H5zM9 9h6M9 13h6M9 17h3',
  about: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 11v6M12 7.5h.01',
  shield: 'M12 3l7 3v5c0 5-3 8.5-7 10-4-1.5-7-5-7-10V6zM9 12l2 2 4-4',
};

/** A drawing beside a word that says the same: never read out. */
export function Icon({ name, className = 'size-5' }: { name: keyof typeof paths; className?: string }) {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true" className={`shrink-0 ${className}`} fill="none" stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
      <path d={paths[name]} />
    </svg>
  );
}
