import { useDemo } from '../demo';
import { bytes, moment, since } from '../format';
import { useAction } from '../hooks';
import { TunnelBadge } from '../TunnelBadge';
import { Button, Card, ErrorNotice, Facts, Loading, Title } from '../ui';

/** The user's own sessions in numbers. What the whole tenant used needs its secret key, which no page may have. */
export function Usage() {
  const { devices, status } = useDemo();
  const refresh = useAction(status.reload);
  const sessions = status.data?.sessions ?? [];
  const received = sessions.reduce((sum, s) => sum + s.rxBytes, 0);
  const sent = sessions.reduce((sum, s) => sum + s.txBytes, 0);
  return (
    <>
      <Title note="What went through your open sessions, as the servers were last read. They are read every 15 seconds or so.">Usage</Title>
      <ErrorNotice error={status.error} />
      {status.data ? (
        <>
          <dl className="mb-5 grid gap-4 sm:grid-cols-3">
            <Figure name="Open sessions" value={String(sessions.length)} />
            <Figure name="From your devices" value={bytes(received)} />
            <Figure name="To your devices" value={bytes(sent)} />
          </dl>
          <div className="mb-5 flex justify-end"><Button busy={refresh.busy} onClick={() => refresh.run()}>Refresh</Button></div>
          {sessions.length === 0 && <Card><p className="text-sm text-stone-600 dark:text-stone-400">No session is open, so there is nothing to count. Connect a device first.</p></Card>}
          {sessions.map((s) => (
            <Card
              key={s.sessionId}
              title={devices.data?.find((d) => d.id === s.deviceId)?.deviceName ?? 'Session'}
              aside={<TunnelBadge session={s} />}
            >
              <Facts
                of={[
                  ['Region', s.serverRegion],
                  ['From the device', bytes(s.rxBytes)],
                  ['To the device', bytes(s.txBytes)],
                  ['Connected for', since(s.connectedAt, Date.now())],
                  ['Last handshake', s.lastHandshakeAt ? moment(s.lastHandshakeAt) : 'none yet'],
                  ['Reading', s.readAgeSeconds == null ? 'none yet' : `${s.readAgeSeconds} s old`],
                ]}
              />
            </Card>
          ))}
        </>
      ) : status.loading && <Loading what="your sessions" />}
      <Card title="Where is the usage of the whole business?">
        <p className="max-w-prose text-sm text-stone-700 dark:text-stone-300">
          At <code className="font-mono">GET /api/v1/usage</code>, for the secret key alone: with the SDK on your server, <code className="font-mono">cvault.usage.get()</code>. A
          secret in a page is no secret, since every visitor can read it, so this demo has none and the SDK refuses to take one in a browser. Your staff finds the same numbers at <code className="font-mono break-words">GET /api/v1/tenant/dashboard/usage</code>.
        </p>
      </Card>
    </>
  );
}

const Figure = ({ name, value }: { name: string; value: string }) => (
  <div className="flex flex-col-reverse rounded-xl border border-stone-200 bg-white p-4 shadow-xs dark:border-stone-800 dark:bg-stone-900">
    <dt className="text-sm text-stone-600 dark:text-stone-400">{name}</dt>
    <dd className="text-2xl font-semibold tabular-nums">{value}</dd>
  </div>
);
