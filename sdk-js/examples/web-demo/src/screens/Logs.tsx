import { useState } from 'react';
import { clearLog, useLog, type Level } from '../log';
import { Button, Card, Title } from '../ui';

const colours: Record<Level, string> = {
  call: 'text-stone-600 dark:text-stone-400',
  error: 'text-red-700 dark:text-red-300',
  event: 'text-teal-800 dark:text-teal-300',
};

/** What the SDK did, for whoever integrates it. */
export function Logs() {
  const lines = useLog();
  const [filter, setFilter] = useState('');
  const shown = lines.filter((line) => `${line.level} ${line.text}`.toLowerCase().includes(filter.trim().toLowerCase()));
  return (
    <>
      <Title note="Every call of the SDK since this page was opened, newest first. It logs no headers and no bodies, so there are no keys or tokens in it.">Logs</Title>
      <Card>
        <div className="mb-4 flex flex-wrap items-end gap-2">
          <label className="grow text-sm font-medium">
            Filter
            <input
              type="search" value={filter} onChange={(e) => setFilter(e.target.value)} placeholder="devices, 404, error …"
              className="mt-1 block min-h-10 w-full rounded-lg border border-stone-400 bg-white px-3 py-2 font-normal dark:border-stone-600 dark:bg-stone-950"
            />
          </label>
          <Button onClick={() => { clearLog(); setFilter(''); }}>Clear</Button>
        </div>
        <div tabIndex={0} role="region" aria-label="Log lines" className="max-h-[60vh] overflow-y-auto rounded-lg border border-stone-200 bg-stone-50 dark:border-stone-800 dark:bg-stone-950">
          {shown.length === 0 ? (
            <p className="p-4 text-sm text-stone-600 dark:text-stone-400">{lines.length === 0 ? 'Nothing yet.' : 'No line has that in it.'}</p>
          ) : (
            <ol className="divide-y divide-stone-200 font-mono text-xs leading-5 dark:divide-stone-800">
              {shown.toReversed().map((line) => (
                <li key={line.id} className="grid grid-cols-[auto_1fr] gap-x-3 px-3 py-1.5">
                  <time dateTime={line.at.toISOString()} className="text-stone-600 dark:text-stone-400">{line.at.toLocaleTimeString(undefined, { hour12: false })}</time>
                  <span className="min-w-0 break-words"><span className={colours[line.level]}>{line.level}</span> {line.text}</span>
                </li>
              ))}
            </ol>
          )}
        </div>
      </Card>
    </>
  );
}
