import type CVault from '@cvault/sdk-js';
import { useCallback, useEffect, useRef, type MouseEvent } from 'react';
import { all } from './client';
import { DemoBanner } from './DemoBanner';
import { DemoContext } from './demo';
import { useAction, useLoad, useWhileVisible } from './hooks';
import { Icon } from './icons';
import { hrefOf, screens, useRoute, type Route, type Screen } from './route';
import { About } from './screens/About';
import { Connection } from './screens/Connection';
import { DeviceConfig } from './screens/DeviceConfig';
import { Devices } from './screens/Devices';
import { Logs } from './screens/Logs';
import { Servers } from './screens/Servers';
import { Usage } from './screens/Usage';
import type { Settings } from './settings';
import { Button, focusHeading } from './ui';

const names: Record<Screen, string> = { connection: 'Connection', devices: 'Devices', servers: 'Servers', usage: 'Usage', logs: 'Logs', about: 'About' };

interface ShellProps {
  cvault: CVault;
  settings: Settings;
  signOut: () => Promise<void>;
  changeKey: () => Promise<void>;
}

/** Navigation and frame of the screens behind the sign-in, and what several of them show. */
export function Shell({ cvault, settings, signOut, changeKey }: ShellProps) {
  const route = useRoute();
  const devices = useLoad(useCallback(() => all(cvault.devices.list()), [cvault]));
  const servers = useLoad(useCallback(() => all(cvault.servers.list()), [cvault]));
  const status = useLoad(useCallback(() => cvault.vpn.status(), [cvault]));
  useWhileVisible(15, status.reload); // as often as servers are read
  useFocusOnChange(route);

  return (
    <DemoContext value={{ cvault, settings, devices, servers, status, signOut, changeKey }}>
      <a href="#main" onClick={skip} className="sr-only focus:not-sr-only focus:absolute focus:z-20 focus:m-2 focus:rounded-lg focus:bg-white focus:px-3 focus:py-2 focus:text-stone-900">
        Skip to content
      </a>
      <DemoBanner />
      <div className="mx-auto max-w-6xl md:grid md:grid-cols-[13rem_1fr] md:gap-8 md:px-6">
        <Navigation current={route.screen} signOut={signOut} />
        <main id="main" className="min-w-0 px-4 pt-6 pb-28 md:px-0 md:pt-10 md:pb-12">
          <CurrentScreen key={`${route.screen}/${route.deviceId}`} route={route} />
        </main>
      </div>
    </DemoContext>
  );
}

function CurrentScreen({ route }: { route: Route }) {
  switch (route.screen) {
    case 'connection': return <Connection />;
    case 'devices': return route.deviceId ? <DeviceConfig deviceId={route.deviceId} /> : <Devices />;
    case 'servers': return <Servers />;
    case 'usage': return <Usage />;
    case 'logs': return <Logs />;
    case 'about': return <About />;
  }
}

/** A column at the left; on narrow screens a bar at the bottom, within the thumb's reach. */
function Navigation({ current, signOut }: { current: Screen; signOut: () => Promise<void> }) {
  const leave = useAction(signOut);
  return (
    <header className="md:sticky md:top-0 md:h-fit md:py-10">
      <div className="flex items-center justify-between px-4 pt-4 md:mb-6 md:px-3 md:pt-0">
        <span className="flex items-center gap-2 font-semibold text-teal-800 dark:text-teal-300">
          <Icon name="shield" className="size-6" /> CVault demo
        </span>
        <span className="md:hidden"><Button busy={leave.busy} onClick={() => leave.run()}>Sign out</Button></span>
      </div>
      <nav
        aria-label="Screens"
        className="fixed inset-x-0 bottom-0 z-10 border-t border-stone-200 bg-white pb-[env(safe-area-inset-bottom)] md:static md:border-0 md:bg-transparent dark:border-stone-800 dark:bg-stone-900 md:dark:bg-transparent"
      >
        <ul className="grid grid-cols-6 md:grid-cols-1 md:gap-1">
          {screens.map((screen) => (
            <li key={screen}>
              <a
                href={hrefOf(screen)}
                aria-current={screen === current ? 'page' : undefined}
                className={`flex flex-col items-center gap-0.5 py-2 text-[0.6875rem] font-medium tracking-tight md:tracking-normal md:flex-row md:gap-3 md:rounded-lg md:px-3 md:text-sm ${
                  screen === current
                    ? 'text-teal-800 md:bg-teal-100 dark:text-teal-300 md:dark:bg-teal-950'
                    : 'text-stone-600 hover:text-stone-900 md:hover:bg-stone-200 dark:text-stone-400 dark:hover:text-stone-100 md:dark:hover:bg-stone-800'
                }`}
              >
                <Icon name={screen} /> {names[screen]}
              </a>
            </li>
          ))}
        </ul>
      </nav>
      <div className="hidden px-3 pt-6 md:block"><Button busy={leave.busy} onClick={() => leave.run()}>Sign out</Button></div>
    </header>
  );
}

/** Moves past the navigation without an address of its own, which would be taken for a screen's. */
function skip(event: MouseEvent) {
  event.preventDefault();
  focusHeading();
}

/** On a change of screen its heading takes the focus, and the tab its name; not on the first, where the browser knows better. */
function useFocusOnChange({ screen, deviceId }: Route) {
  const first = useRef(true);
  useEffect(() => {
    document.title = `${names[screen]} · CVault web demo`;
    if (!first.current) {
      focusHeading();
      scrollTo(0, 0);
    }
    first.current = false;
  }, [screen, deviceId]);
}
