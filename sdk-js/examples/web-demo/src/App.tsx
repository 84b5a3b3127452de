import type CVault from '@cvault/sdk-js';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { createClient } from './client';
import { Entrance } from './Entrance';
import { goTo } from './route';
import { KeyForm } from './screens/KeyForm';
import { SignIn } from './screens/SignIn';
import { forgetSettings, loadSettings, saveSettings, type Settings } from './settings';
import { Shell } from './Shell';
import { Loading } from './ui';

/** First the key, then the sign-in, then the rest. */
export function App() {
  const [settings, setSettings] = useState(loadSettings);
  if (!settings) {
    return (
      <Entrance>
        <KeyForm
          onDone={(entered) => {
            saveSettings(entered);
            setSettings(entered);
          }}
        />
      </Entrance>
    );
  }
  return <WithKey key={`${settings.baseUrl} ${settings.apiKey}`} settings={settings} forget={() => (forgetSettings(), setSettings(null))} />;
}

/** `ended`: signed out, but not by the user. */
type Stage = 'looking' | 'in' | 'out' | 'ended';

function WithKey({ settings, forget }: { settings: Settings; forget: () => void }) {
  const cvault = useMemo(() => createClient(settings), [settings]);
  const [stage, setStage] = useState<Stage>('looking');

  useEffect(() => {
    let current = true;
    void hasSession(cvault).then((has) => current && setStage(has ? 'in' : 'out'));
    // The API has ended the sign-in, or another tab has: the SDK has forgotten it then.
    const off = cvault.on('error', async ({ code }) => {
      if (code === 'UNAUTHENTICATED' && !(await hasSession(cvault)) && current) setStage((was) => (was === 'in' ? 'ended' : was));
    });
    return () => {
      current = false;
      off();
    };
  }, [cvault]);

  const signOut = useCallback(async () => {
    await cvault.auth.logout();
    goTo('connection'); // where the next sign-in begins
    setStage('out');
  }, [cvault]);
  const changeKey = useCallback(async () => {
    await signOut();
    forget();
  }, [signOut, forget]);

  if (stage === 'looking') return <Entrance><Loading what="your sign-in" /></Entrance>;
  if (stage === 'in') return <Shell cvault={cvault} settings={settings} signOut={signOut} changeKey={changeKey} />;
  return (
    <Entrance>
      <SignIn cvault={cvault} settings={settings} ended={stage === 'ended'} onSignedIn={() => setStage('in')} onChangeKey={changeKey} />
    </Entrance>
  );
}

const hasSession = async (cvault: CVault): Promise<boolean> => (await cvault.auth.session()) !== null;
