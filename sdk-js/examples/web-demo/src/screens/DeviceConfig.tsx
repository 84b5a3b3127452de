import { useCallback, useEffect, useState } from 'react';
import { useDemo } from '../demo';
import { useAction, useLoad } from '../hooks';
import { hrefOf } from '../route';
import { Button, Card, ErrorNotice, Link, Loading, Notice, Title } from '../ui';
import { fileNameOf, piecesOf, type Kind } from '../wireguard';

/** A device's config: to look at, copy, download, or scan with a phone. */
export function DeviceConfig({ deviceId }: { deviceId: string }) {
  const { cvault, devices } = useDemo();
  const config = useLoad(useCallback(() => cvault.devices.config(deviceId), [cvault, deviceId]));
  const name = devices.data?.find((d) => d.id === deviceId)?.deviceName ?? 'Device';
  return (
    <>
      <p className="mb-3 text-sm"><Link href={hrefOf('devices')}>All devices</Link></p>
      <Title note="Shown, not applied: a page cannot make a tunnel. Take it into a WireGuard app.">Config of {name}</Title>
      <ErrorNotice error={config.error} />
      {config.data ? (
        <>
          {!config.data.containsPrivateKey && (
            <Notice tone="warn" title="Without its private key">This device made its keys itself: CVault never had the private one. Put it in where the comment says so.</Notice>
          )}
          <Text config={config.data.config} fileName={fileNameOf(name)} />
          {config.data.containsPrivateKey && <QrCode deviceId={deviceId} />}
        </>
      ) : config.loading && <Loading what="the config" />}
    </>
  );
}

const colours: Record<Kind, string> = {
  section: 'font-semibold text-teal-800 dark:text-teal-300',
  name: 'text-sky-800 dark:text-sky-300',
  value: 'text-stone-900 dark:text-stone-100',
  secret: 'text-amber-800 dark:text-amber-300',
  comment: 'text-stone-600 italic dark:text-stone-400',
  plain: '',
};

function Text({ config, fileName }: { config: string; fileName: string }) {
  const [keys, setKeys] = useState(false);
  const [copied, setCopied] = useState(false);
  const copy = useAction(async () => {
    await navigator.clipboard.writeText(config);
    setCopied(true);
  });
  return (
    <Card
      title={fileName}
      aside={<Button aria-pressed={keys} onClick={() => setKeys(!keys)}>{keys ? 'Hide keys' : 'Show keys'}</Button>}
    >
      <pre tabIndex={0} role="region" aria-label="The config" className="overflow-x-auto rounded-lg border border-stone-200 bg-stone-50 p-4 font-mono text-[0.8125rem] leading-6 dark:border-stone-800 dark:bg-stone-950">
        <code>
          {piecesOf(config).map((line, at) => (
            <span key={at} className="block min-h-6">
              {line.map(({ kind, text }, part) => (
                <span key={part} className={colours[kind]}>{kind === 'secret' && !keys ? '•'.repeat(16) : text}</span>
              ))}
            </span>
          ))}
        </code>
      </pre>
      <div className="mt-4 flex flex-wrap items-center gap-2">
        <Button look="primary" onClick={() => download(config, fileName)}>Download .conf</Button>
        <Button busy={copy.busy} onClick={() => copy.run()}>Copy</Button>
        <span role="status" className="text-sm text-stone-600 dark:text-stone-400">{copied && !copy.error && 'Copied, with its keys.'}</span>
      </div>
      {copy.error != null && <p role="alert" className="mt-2 text-sm text-red-700 dark:text-red-300">The browser does not let this page copy. Show the keys, and select the text instead.</p>}
      <p className="mt-3 text-sm text-stone-600 dark:text-stone-400">Who has this file is this device. Keep it to yourself, and rotate the key when somebody else has seen it.</p>
    </Card>
  );
}

/** Saves the text as a file, from memory: nothing of it gets into an address. */
function download(text: string, fileName: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000); // some browsers read it after the click
}

/** Fetched only when it is asked for: on a screen it is as good as the file. */
function QrCode({ deviceId }: { deviceId: string }) {
  const { cvault } = useDemo();
  const [picture, setPicture] = useState<string | null>(null);
  useEffect(() => () => void (picture && URL.revokeObjectURL(picture)), [picture]);
  const show = useAction(async () => {
    const png = await cvault.devices.configQr(deviceId);
    setPicture(URL.createObjectURL(new Blob([png as BlobPart], { type: 'image/png' })));
  });
  return (
    <Card
      title="QR code for phones"
      aside={picture ? <Button onClick={() => setPicture(null)}>Hide QR code</Button> : <Button busy={show.busy} onClick={() => show.run()}>Show QR code</Button>}
    >
      <p className="text-sm text-stone-600 dark:text-stone-400">In the WireGuard app: add a tunnel, scan from QR code. It holds the private key, so let nobody else photograph it.</p>
      {picture && <img src={picture} alt="QR code of this device’s config" className="mt-4 aspect-square w-full max-w-96 rounded-lg border border-stone-200 bg-white p-2" />}
      <div className="mt-4 -mb-5 empty:hidden"><ErrorNotice error={show.error} /></div>
    </Card>
  );
}
