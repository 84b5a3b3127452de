import CVault, { memoryStorage } from '@cvault/sdk-js';
import { useState } from 'react';
import { useAction } from '../hooks';
import { errorsOf, tidy, type Settings } from '../settings';
import { Button, Card, ErrorNotice, Field, Title } from '../ui';

/** A stack of `ops/up`, for a page that is on the same computer. */
const usual = /^(localhost|127\.|\[::1\])/.test(location.hostname) ? 'http://127.0.0.1:8080' : '';

/** Where the API is and the tenant's publishable key; both are tried with a call before they are taken. */
export function KeyForm({ onDone }: { onDone: (settings: Settings) => void }) {
  const [entered, setEntered] = useState<Settings>({ baseUrl: usual, apiKey: '', remember: false });
  const [problems, setProblems] = useState<ReturnType<typeof errorsOf>>({});
  const check = useAction(async () => {
    const settings = tidy(entered);
    const found = errorsOf(settings);
    setProblems(found);
    if (Object.keys(found).length > 0) return;
    await new CVault({ apiKey: settings.apiKey, baseUrl: settings.baseUrl, storage: memoryStorage() }).servers.list({ limit: 1 });
    onDone(settings);
  });

  return (
    <>
      <Title note="Try CVault’s API with your own key, before you write a line of code.">Connect to your tenant</Title>
      <Card>
        <form
          noValidate
          className="grid gap-5"
          onSubmit={(e) => {
            e.preventDefault();
            void check.run();
          }}
        >
          <Field
            label="API URL" type="url" inputMode="url" autoComplete="url" required placeholder="https://api.example.com"
            value={entered.baseUrl} problem={problems.baseUrl} onChange={(e) => setEntered({ ...entered, baseUrl: e.target.value })}
          />
          <Field
            label="Publishable key" autoComplete="off" autoCapitalize="none" spellCheck={false} required placeholder="cvp_…"
            value={entered.apiKey} problem={problems.apiKey} onChange={(e) => setEntered({ ...entered, apiKey: e.target.value })}
            hint={<>Its allowed origins must have the address of this page: <code className="block font-mono break-all">{location.origin}</code></>}
          />
          <label className="flex items-start gap-3 text-sm">
            <input
              type="checkbox" className="mt-0.5 size-4 accent-teal-700 dark:accent-teal-400"
              checked={entered.remember} onChange={(e) => setEntered({ ...entered, remember: e.target.checked })}
            />
            <span>
              Remember on this device
              <span className="block text-stone-600 dark:text-stone-400">Keeps the key and your sign-in after the tab is closed. Not on a computer that others use.</span>
            </span>
          </label>
          <div className="-mb-5 empty:hidden"><ErrorNotice error={check.error} /></div>
          <Button type="submit" look="primary" busy={check.busy}>Continue</Button>
        </form>
      </Card>
      <p className="text-sm text-stone-600 dark:text-stone-400">
        No key yet? A member of your business makes one with <code className="font-mono">POST /api/v1/tenant/api-keys</code>. A secret key
        (cvk_… with cvs_…) is for servers and has no place here.
      </p>
    </>
  );
}
