import { useDemo } from '../demo';
import { useAction } from '../hooks';
import { Badge, Button, Card, ErrorNotice, Loading, Notice, Title } from '../ui';

export function Servers() {
  const { servers } = useDemo();
  const refresh = useAction(servers.reload);
  return (
    <>
      <Title note="The WireGuard servers that your devices can be on. Your app would offer their regions.">Servers</Title>
      <ErrorNotice error={servers.error} />
      {servers.data?.some((s) => s.simulated) && <Notice tone="warn" title="Some servers are simulated">Nothing can connect to those: this API runs where no real ones can be made.</Notice>}
      <Card title="Available servers" aside={<Button busy={refresh.busy} onClick={() => refresh.run()}>Refresh</Button>}>
        {servers.data ? (
          servers.data.length === 0 ? (
            <p className="text-sm text-stone-600 dark:text-stone-400">There are none yet. CVault’s operator registers them.</p>
          ) : (
            <ul className="divide-y divide-stone-200 dark:divide-stone-800">
              {servers.data.map((server) => (
                <li key={server.id} className="grid grid-cols-[1fr_auto] items-center gap-x-6 gap-y-2 py-3 first:pt-0 last:pb-0 sm:grid-cols-[1fr_16rem_7rem]">
                  <span className="font-medium">{server.region}{server.simulated && <span className="ml-2 font-normal text-stone-600 dark:text-stone-400">simulated</span>}</span>
                  <span className="col-span-2 row-start-2 flex items-center gap-3 text-sm text-stone-600 sm:col-span-1 sm:row-start-auto dark:text-stone-400">
                    <span aria-hidden="true" className="h-2 grow overflow-hidden rounded-full bg-stone-200 dark:bg-stone-700">
                      <span className="block h-full rounded-full bg-teal-600 dark:bg-teal-400" style={{ width: `${server.load}%` }} />
                    </span>
                    <span className="w-20 shrink-0 text-right tabular-nums">{server.load} % full</span>
                  </span>
                  <span className="text-right">{server.available ? <Badge tone="good">Available</Badge> : <Badge tone="warn">Takes no device</Badge>}</span>
                </li>
              ))}
            </ul>
          )
        ) : servers.loading && <Loading what="the servers" />}
      </Card>
    </>
  );
}
