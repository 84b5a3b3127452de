import type CVault from '@cvault/sdk-js';
import { useCallback, useEffect, useMemo, useState } from 'react';
import { createClient } from './client';
import { Entrance } from './Entrance';
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

function WithKey({ settings, forget }: { settings: Settings; forget: () => void }) {
  const cvault = useMemo(() => createClient(settings), [settings]);
  const [signedIn, setSignedIn] = useState<boolean | null>(null);
  const [ended, setEnded] = useState(false);

  useEffect(() => {
    let current = true;
    void hasSession(cvault).then((has) => current && setSignedIn(has));
    // The API has ended the sign-in (or another tab has): the SDK has forgotten it then.
    const off = cvault.on('error', async ({ code }) => {
      if (code !== 'UNAUTHENTICATED' || (await hasSession(cvault)) || !current) return;
      setSignedIn((was) => {
        if (was) setEnded(true);
        return false;
      });
    });
    return () => {
      current = false;
      off();
    };
  }, [cvault]);

  const signOut = useCallback(async () => {
    await cvault.auth.logout();
    setEnded(false);
    setSignedIn(false);
  }, [cvault]);
  const changeKey = useCallback(async () => {
    await signOut();
    forget();
  }, [signOut, forget]);

  if (signedIn === null) return <Entrance><Loading what="your sign-in" /></Entrance>;
  if (!signedIn) {
    return (
      <Entrance>
        <SignIn cvault={cvault} settings={settings} ended={ended} onSignedIn={() => setSignedIn(true)} onChangeKey={changeKey} />
      </Entrance>
    );
  }
  return <Shell cvault={cvault} settings={settings} signOut={signOut} changeKey={changeKey} />;
}

const hasSession = async (cvault: CVault): Promise<boolean> => (await cvault.auth.session()) != null;
