import type { ReactNode } from 'react';
import { DemoBanner } from './DemoBanner';
import { Icon } from './icons';

/** The frame of what comes before the sign-in. */
export function Entrance({ children }: { children: ReactNode }) {
  return (
    <>
      <DemoBanner />
      <main className="mx-auto w-full max-w-lg px-4 py-8 sm:py-14">
        <p className="mb-6 flex items-center gap-2 font-semibold text-teal-800 dark:text-teal-300">
          <Icon name="shield" className="size-7" /> CVault web demo
        </p>
        {children}
      </main>
    </>
  );
}
