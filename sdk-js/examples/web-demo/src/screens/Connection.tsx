import type { Device, VpnSession } from '@cvault/sdk-js';
import { useState } from 'react';
import { regionsOf, useDemo } from '../demo';
import { moment, since } from '../format';
import { useAction } from '../hooks';
import { hrefOf } from '../route';
import { TunnelBadge, whyOf } from '../TunnelBadge';
import { Button, ButtonLink, Card, ErrorNotice, Facts, Link, Loading, Notice, Select, Title } from '../ui';

/** The first screen: what is connected, and connecting. */
export function Connection() {
  const { devices, servers, status } = useDemo();
  const sessions = status.data?.sessions ?? [];
  return (
    <>
      <Title note="What an app’s connect button does at the API: it opens a session for a device, in a region. Each session is metered.">Connection</Title>
      <ErrorNotice error={status.error ?? devices.error ?? servers.error} />
      {status.data ? <State sessions={sessions} /> : status.loading && <Loading what="the status" />}
      {sessions.map((session) => <OpenSession key={session.sessionId} session={session} device={devices.data?.find((d) => d.id === session.deviceId)} />)}
      {devices.data && (devices.data.length === 0 ? <FirstDevice /> : <Connect devices={devices.data} />)}
    </>
  );
}

function State({ sessions }: { sessions: VpnSession[] }) {
  const connected = sessions.length > 0;
  return (
    <div role="status" className="mb-5 flex items-center gap-4 rounded-xl border border-stone-200 bg-white p-4 shadow-xs sm:p-5 dark:border-stone-800 dark:bg-stone-900">
      <span aria-hidden="true" className={`size-4 shrink-0 rounded-full ring-4 ${connected ? 'bg-teal-600 ring-teal-100 dark:bg-teal-400 dark:ring-teal-900' : 'bg-stone-400 ring-stone-200 dark:bg-stone-500 dark:ring-stone-800'}`} />
      <div>
        <p className="text-lg font-semibold">{connected ? 'Connected' : 'Disconnected'}</p>
        <p className="text-sm text-stone-600 dark:text-stone-400">
          {connected ? `${sessions.length === 1 ? 'A session is' : `${sessions.length} sessions are`} open at the API.` : 'No session is open.'}
        </p>
      </div>
    </div>
  );
}

function OpenSession({ session, device }: { session: VpnSession; device: Device | undefined }) {
  const { cvault, status } = useDemo();
  const disconnect = useAction(async () => {
    await cvault.vpn.disconnect({ deviceId: session.deviceId });
    await status.reload();
  });
  return (
    <Card title={device?.deviceName ?? 'Session'} aside={<TunnelBadge session={session} />}>
      <p className="mb-4 text-sm text-stone-600 dark:text-stone-400">{whyOf(session)}</p>
      <Facts
        of={[
          ['Region', session.serverRegion],
          ['Server', <span className="font-mono break-all">{session.serverIp}:{session.serverPort}</span>],
          ['Address', <span className="font-mono">{session.assignedIp}</span>],
          ['Since', `${moment(session.connectedAt)} (${since(session.connectedAt, Date.now())})`],
        ]}
      />
      <div className="mt-4 flex flex-wrap gap-2">
        <Button look="danger" busy={disconnect.busy} onClick={() => disconnect.run()}>Disconnect</Button>
        <ButtonLink href={hrefOf('devices', session.deviceId)}>Show the config</ButtonLink>
      </div>
      <div className="mt-4 -mb-5 empty:hidden"><ErrorNotice error={disconnect.error} /></div>
    </Card>
  );
}

function Connect({ devices }: { devices: Device[] }) {
  const { cvault, servers, status, devices: list } = useDemo();
  const [chosen, setChosen] = useState('');
  const [region, setRegion] = useState('');
  const [moved, setMoved] = useState<Device | null>(null);
  const device = devices.find((d) => d.id === chosen) ?? devices[0]!;
  const connect = useAction(async () => {
    setMoved(null);
    const connection = await cvault.vpn.connect({ deviceId: device.id, ...(region && { serverRegion: region }) });
    // There is a config in the answer where the one that the device has is no longer good.
    if (connection.config) setMoved(device);
    await Promise.all([status.reload(), list.reload(), servers.reload()]);
  });

  return (
    <Card title="Connect a device">
      {moved && (
        <Notice tone="warn" title={`${moved.deviceName} needs its new config`}>
          It is on another server, or at another address, so the old config works no more. <Link href={hrefOf('devices', moved.id)}>Take the new one</Link> into your WireGuard app.
        </Notice>
      )}
      <form
        className="grid items-end gap-4 sm:grid-cols-[1fr_1fr_auto]"
        onSubmit={(e) => {
          e.preventDefault();
          void connect.run();
        }}
      >
        <Select label="Device" value={device.id} onChange={setChosen} options={devices.map((d) => ({ value: d.id, text: d.deviceName }))} />
        <Select
          label="Region" value={region} onChange={setRegion}
          options={[{ value: '', text: 'Where the device is' }, ...regionsOf(servers.data ?? []).map((r) => ({ value: r.region, text: r.available ? r.region : `${r.region} (not available)` }))]}
        />
        <Button type="submit" look="primary" busy={connect.busy}>Connect</Button>
      </form>
      <div className="mt-4 -mb-5 empty:hidden"><ErrorNotice error={connect.error} /></div>
    </Card>
  );
}

const FirstDevice = () => (
  <Card title="Start here">
    <ol className="mb-4 list-decimal space-y-1 pl-5 text-sm">
      <li>Add a device: it gets an address and a config.</li>
      <li>Bring the config into a WireGuard app, by file or QR code.</li>
      <li>Connect it here, and see the session and its traffic.</li>
    </ol>
    <ButtonLink look="primary" href={hrefOf('devices')}>Add a device</ButtonLink>
  </Card>
);
