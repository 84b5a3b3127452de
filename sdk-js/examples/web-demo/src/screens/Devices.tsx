import type { Device } from '@cvault/sdk-js';
import { useState } from 'react';
import { regionsOf, useDemo } from '../demo';
import { explain } from '../errors';
import { moment } from '../format';
import { useAction } from '../hooks';
import { goTo, hrefOf } from '../route';
import { Badge, Button, ButtonLink, Card, Confirm, ErrorNotice, Facts, Field, focusHeading, Loading, Notice, Select, Title } from '../ui';

export function Devices() {
  const { devices } = useDemo();
  return (
    <>
      <Title note="A device is one WireGuard key pair with an address. Give each phone or computer one of its own.">Devices</Title>
      <AddDevice />
      <ErrorNotice error={devices.error} />
      {devices.data ? <List devices={devices.data} /> : devices.loading && <Loading what="your devices" />}
    </>
  );
}

function AddDevice() {
  const { cvault, devices, servers } = useDemo();
  const [name, setName] = useState('');
  const [region, setRegion] = useState('');
  const add = useAction(async () => {
    const device = await cvault.devices.register({ deviceName: name, ...(region && { serverRegion: region }) });
    await Promise.all([devices.reload(), servers.reload()]);
    goTo('devices', device.id);
  });
  const fields = add.error ? explain(add.error).fields : {};
  return (
    <Card title="Add a device">
      <form
        noValidate
        className="grid items-start gap-4 sm:grid-cols-[1fr_1fr_auto]"
        onSubmit={(e) => {
          e.preventDefault();
          void add.run();
        }}
      >
        <Field label="Name" required maxLength={255} autoComplete="off" placeholder="Laptop" value={name} problem={fields.device_name?.join(' ')} onChange={(e) => setName(e.target.value)} />
        <Select
          label="Region" value={region} onChange={setRegion}
          options={[{ value: '', text: 'Wherever there is most room' }, ...regionsOf(servers.data ?? []).map((r) => ({ value: r.region, text: r.available ? r.region : `${r.region} (not available)`, disabled: !r.available }))]}
        />
        <Button type="submit" look="primary" busy={add.busy} className="sm:mt-7">Add device</Button>
      </form>
      {fields.public_key && (
        <div className="mt-4 -mb-5">
          <Notice tone="warn" title="This business has devices make their own keys">An app does that where the private key stays on the device; a demo in a browser does not.</Notice>
        </div>
      )}
      <div className="mt-4 -mb-5 empty:hidden"><ErrorNotice error={add.error} /></div>
    </Card>
  );
}

function List({ devices }: { devices: Device[] }) {
  if (devices.length === 0) return <Card><p className="text-sm text-stone-600 dark:text-stone-400">No devices yet. The first one is made with the form above.</p></Card>;
  return (
    <ul aria-label="Your devices">
      {devices.map((device) => <li key={device.id}><DeviceCard device={device} /></li>)}
    </ul>
  );
}

function DeviceCard({ device }: { device: Device }) {
  const { servers, status } = useDemo();
  const [asked, setAsked] = useState<'remove' | 'rotate' | null>(null);
  const parked = device.assignedIp == null;
  const connected = status.data?.sessions.some((s) => s.deviceId === device.id);
  const region = servers.data?.find((s) => s.id === device.serverId)?.region;
  return (
    <Card title={device.deviceName} aside={parked ? <Badge tone="warn">No address until it connects</Badge> : connected && <Badge tone="good">Connected</Badge>}>
      <Facts
        of={[
          ['Region', region ?? '–'],
          ['Address', <span className="font-mono break-all">{[device.assignedIp, device.assignedIpv6].filter(Boolean).join(', ') || '–'}</span>],
          ['Public key', <span className="font-mono break-all">{device.publicKey}</span>],
          ['Added', moment(device.createdAt)],
        ]}
      />
      <div className="mt-4 flex flex-wrap gap-2">
        {!parked && <ButtonLink look="primary" href={hrefOf('devices', device.id)}>Config</ButtonLink>}
        {!parked && <Button onClick={() => setAsked('rotate')}>Rotate key</Button>}
        <Button look="danger" onClick={() => setAsked('remove')}>Remove</Button>
      </div>
      {asked === 'remove' && <Remove device={device} onClose={() => setAsked(null)} />}
      {asked === 'rotate' && <Rotate device={device} onClose={() => setAsked(null)} />}
    </Card>
  );
}

function Remove({ device, onClose }: { device: Device; onClose: () => void }) {
  const { cvault, devices, servers, status } = useDemo();
  const remove = useAction(async () => {
    await cvault.devices.remove(device.id);
    onClose();
    focusHeading(); // what had the focus is about to be gone
    await Promise.all([devices.reload(), servers.reload(), status.reload()]);
  });
  return (
    <Confirm title={`Remove ${device.deviceName}?`} action="Remove" busy={remove.busy} error={remove.error} onConfirm={() => remove.run()} onClose={onClose}>
      Its tunnel ends at once, and its config never works again.
    </Confirm>
  );
}

function Rotate({ device, onClose }: { device: Device; onClose: () => void }) {
  const { cvault, devices } = useDemo();
  const rotate = useAction(async () => {
    await cvault.devices.rotateKey(device.id);
    await devices.reload();
    onClose();
    goTo('devices', device.id);
  });
  return (
    <Confirm title={`New keys for ${device.deviceName}?`} action="Rotate key" busy={rotate.busy} error={rotate.error} onConfirm={() => rotate.run()} onClose={onClose}>
      {device.keyCustody === 'client'
        ? 'This device made its keys itself, so only its own app can make new ones; from here the API will refuse.'
        : 'The config that it has now stops working. The new one is shown next; the address stays the same.'}
    </Confirm>
  );
}
