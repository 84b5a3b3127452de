import { useDemo } from '../demo';
import { useAction } from '../hooks';
import { Button, Card, ErrorNotice, Facts, Link, Title } from '../ui';

export function About() {
  const { settings, changeKey } = useDemo();
  const leave = useAction(changeKey);
  return (
    <>
      <Title>About this demo</Title>
      <Card title="What it is">
        <div className="max-w-prose space-y-3 text-sm text-stone-700 dark:text-stone-300">
          <p>
            A demonstration of CVault’s API in the browser, for businesses that want to see it work before they write their own app. It uses nothing but the JavaScript SDK,{' '}
            <code className="font-mono">@cvault/sdk-js</code>, with a publishable key: what it does your page can do too.
          </p>
          <p>
            It is no VPN client. Browsers cannot make a VPN tunnel; connecting here opens a session at the API, as an app does beside its tunnel. For the tunnel, bring a device’s config
            into a WireGuard app.
          </p>
        </div>
      </Card>
      <Card title="Documentation">
        <ul className="list-disc space-y-1 pl-5 text-sm">
          <li><Link href={`${settings.baseUrl}/docs`}>API documentation</Link>, with every call to try out</li>
          <li><Link href={`${settings.baseUrl}/openapi/v1.json`}>OpenAPI document</Link></li>
          <li>The SDK’s guide: <code className="font-mono">README.md</code> in the package <code className="font-mono">@cvault/sdk-js</code></li>
        </ul>
      </Card>
      <Card title="This browser">
        <Facts
          of={[
            ['API', <span className="break-all">{settings.baseUrl}</span>],
            ['Key', <span className="font-mono break-all">{settings.apiKey}</span>],
            ['Page', location.origin],
            ['Kept', settings.remember ? 'in this browser, also when the tab is closed' : 'until this tab is closed'],
          ]}
        />
        <div className="mt-4"><Button look="danger" busy={leave.busy} onClick={() => leave.run()}>Sign out and use another key</Button></div>
        <div className="mt-4 -mb-5 empty:hidden"><ErrorNotice error={leave.error} /></div>
      </Card>
    </>
  );
}
