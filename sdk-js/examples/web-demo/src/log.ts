import { useSyncExternalStore } from 'react';

/** A call that went well, one that failed, or an event of the SDK's client. */
export type Level = 'call' | 'error' | 'event';

/** A line of the log panel. */
export interface LogLine {
  id: number;
  at: Date;
  level: Level;
  text: string;
}

const most = 500; // older lines are dropped

let lines: readonly LogLine[] = [];
let last = 0;
const listeners = new Set<() => void>();

/**
 * Adds a line. Callers are the SDK's logger, which tells of calls without their headers and bodies, and this page's own
 * events: neither ever has a token, a password or a config to say.
 */
export function write(level: Level, text: string): void {
  lines = [...lines.slice(1 - most), { id: ++last, at: new Date(), level, text }];
  listeners.forEach((changed) => changed());
}

export function clearLog(): void {
  lines = [];
  listeners.forEach((changed) => changed());
}

const subscribe = (changed: () => void) => {
  listeners.add(changed);
  return () => listeners.delete(changed);
};

export const useLog = (): readonly LogLine[] => useSyncExternalStore(subscribe, () => lines);
