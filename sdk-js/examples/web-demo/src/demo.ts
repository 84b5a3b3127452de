import type { CVault, Device, Server, VpnStatus } from '@cvault/sdk-js';
import { createContext, useContext } from 'react';
import type { Loaded } from './hooks';
import type { Settings } from './settings';

/** What every screen behind the sign-in works with. */
export interface Demo {
  cvault: CVault;
  settings: Settings;
  devices: Loaded<Device[]>;
  servers: Loaded<Server[]>;
  status: Loaded<VpnStatus>;
  signOut: () => Promise<void>;
  /** Signs out, and forgets the key. */
  changeKey: () => Promise<void>;
}

export const DemoContext = createContext<Demo | null>(null);

export function useDemo(): Demo {
  const demo = useContext(DemoContext);
  if (!demo) throw new Error('Only for screens inside the Shell.');
  return demo;
}

/** The regions that there are, in order; with the least loaded server's load, and whether any takes a device now. */
export function regionsOf(servers: Server[]): { region: string; load: number; available: boolean }[] {
  const regions = new Map<string, { region: string; load: number; available: boolean }>();
  for (const { region, load, available } of servers) {
    const was = regions.get(region);
    regions.set(region, { region, load: Math.min(was?.load ?? 100, load), available: available || (was?.available ?? false) });
  }
  return [...regions.values()].sort((a, b) => a.region.localeCompare(b.region));
}
