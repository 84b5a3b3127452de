import { useEffect, useId, useRef, type ButtonHTMLAttributes, type InputHTMLAttributes, type ReactNode } from 'react';
import { explain } from './errors';

type Look = 'primary' | 'plain' | 'danger';

const looks: Record<Look, string> = {
  primary: 'bg-teal-700 text-white hover:bg-teal-800 dark:bg-teal-500 dark:text-stone-950 dark:hover:bg-teal-400',
  plain: 'border border-stone-300 bg-white text-stone-800 hover:bg-stone-100 dark:border-stone-700 dark:bg-stone-900 dark:text-stone-100 dark:hover:bg-stone-800',
  danger: 'border border-red-300 bg-white text-red-700 hover:bg-red-50 dark:border-red-900 dark:bg-stone-900 dark:text-red-300 dark:hover:bg-red-950',
};
const buttonShape =
  'inline-flex min-h-10 items-center justify-center gap-2 rounded-lg px-4 py-2 text-sm font-medium motion-safe:transition-colors disabled:cursor-not-allowed disabled:opacity-60';

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  look?: Look;
  /** The work is under way: shows it, and takes no click. */
  busy?: boolean;
}

export function Button({ look = 'plain', busy = false, disabled, className = '', children, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} disabled={disabled || busy} aria-busy={busy || undefined} className={`${buttonShape} ${looks[look]} ${className}`}>
      {busy && <span aria-hidden="true" className="size-3.5 animate-spin rounded-full border-2 border-current border-r-transparent motion-reduce:animate-none" />}
      {children}
    </button>
  );
}

export function ButtonLink({ look = 'plain', href, children }: { look?: Look; href: string; children: ReactNode }) {
  return <a href={href} className={`${buttonShape} ${looks[look]}`}>{children}</a>;
}

export function Link({ href, children }: { href: string; children: ReactNode }) {
  const away = /^https?:/.test(href) ? { target: '_blank', rel: 'noreferrer' } : {};
  return <a href={href} {...away} className="font-medium text-teal-700 underline underline-offset-2 hover:text-teal-900 dark:text-teal-400 dark:hover:text-teal-200">{children}</a>;
}

/** To the top of the screen for keyboards and screen readers. */
export const focusHeading = () => document.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true });

/** The screen's one h1. It takes the focus when the screen changes (Shell), so that screen readers say where one is. */
export function Title({ children, note }: { children: ReactNode; note?: ReactNode }) {
  return (
    <div className="mb-6">
      <h1 tabIndex={-1} className="text-2xl font-semibold tracking-tight break-words">{children}</h1>
      {note && <p className="mt-1 max-w-prose text-stone-600 dark:text-stone-400">{note}</p>}
    </div>
  );
}

export function Card({ title, aside, children }: { title?: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={title ? id : undefined} className="mb-5 rounded-xl border border-stone-200 bg-white p-4 shadow-xs sm:p-5 dark:border-stone-800 dark:bg-stone-900">
      {title && (
        <div className="mb-4 flex flex-wrap items-center justify-between gap-2">
          <h2 id={id} className="text-base font-semibold">{title}</h2>
          {aside}
        </div>
      )}
      {children}
    </section>
  );
}

const inputShape =
  'mt-1 block min-h-10 w-full rounded-lg border bg-white px-3 py-2 text-sm dark:bg-stone-950 aria-invalid:border-red-600 dark:aria-invalid:border-red-400 border-stone-400 dark:border-stone-600';

interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: ReactNode;
  problem?: string | undefined;
}

export function Field({ label, hint, problem, className = '', ...rest }: FieldProps) {
  const id = useId();
  const about = [problem && `${id}-problem`, hint && `${id}-hint`].filter(Boolean).join(' ');
  return (
    <div className={className}>
      <label htmlFor={id} className="text-sm font-medium">{label}</label>
      <input id={id} aria-invalid={problem ? true : undefined} aria-describedby={about || undefined} className={inputShape} {...rest} />
      {problem && <p id={`${id}-problem`} className="mt-1 text-sm text-red-700 dark:text-red-300">{problem}</p>}
      {hint && <p id={`${id}-hint`} className="mt-1 text-sm text-stone-600 dark:text-stone-400">{hint}</p>}
    </div>
  );
}

interface SelectProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  options: { value: string; text: string; disabled?: boolean }[];
}

export function Select({ label, value, onChange, options }: SelectProps) {
  const id = useId();
  return (
    <div>
      <label htmlFor={id} className="text-sm font-medium">{label}</label>
      <select id={id} value={value} onChange={(e) => onChange(e.target.value)} className={inputShape}>
        {options.map((o) => <option key={o.value} value={o.value} disabled={o.disabled}>{o.text}</option>)}
      </select>
    </div>
  );
}

type Tone = 'good' | 'warn' | 'bad' | 'quiet';

const tones: Record<Tone, string> = {
  good: 'border-teal-300 bg-teal-50 text-teal-900 dark:border-teal-800 dark:bg-teal-950 dark:text-teal-100',
  warn: 'border-amber-300 bg-amber-50 text-amber-950 dark:border-amber-800 dark:bg-amber-950 dark:text-amber-100',
  bad: 'border-red-300 bg-red-50 text-red-900 dark:border-red-900 dark:bg-red-950 dark:text-red-100',
  quiet: 'border-stone-300 bg-stone-100 text-stone-800 dark:border-stone-700 dark:bg-stone-800 dark:text-stone-200',
};

export function Badge({ tone, children }: { tone: Tone; children: ReactNode }) {
  return <span className={`inline-flex items-center rounded-full border px-2.5 py-0.5 text-xs font-medium whitespace-nowrap ${tones[tone]}`}>{children}</span>;
}

export function Notice({ tone, title, children }: { tone: Tone; title?: string; children?: ReactNode }) {
  return (
    <div role={tone === 'bad' ? 'alert' : 'status'} className={`mb-5 rounded-lg border px-4 py-3 text-sm break-words ${tones[tone]}`}>
      {title && <p className="font-semibold">{title}</p>}
      {children && <div className={title ? 'mt-1' : ''}>{children}</div>}
    </div>
  );
}

/** What went wrong and what to do; nothing while `error` is null. */
export function ErrorNotice({ error }: { error: unknown }) {
  if (error == null) return null;
  const { title, advice, code, requestId } = explain(error);
  return (
    <Notice tone="bad" title={title}>
      <p>{advice}</p>
      {code && <p className="mt-2 font-mono text-xs">{code}{requestId && ` · request ${requestId}`}</p>}
    </Notice>
  );
}

/** Pairs of a name and a value, beside each other where there is room. */
export function Facts({ of }: { of: [name: string, value: ReactNode][] }) {
  return (
    <dl className="grid grid-cols-[minmax(7rem,auto)_1fr] gap-x-4 gap-y-2 text-sm">
      {of.map(([name, value]) => (
        <div key={name} className="contents">
          <dt className="text-stone-600 dark:text-stone-400">{name}</dt>
          <dd className="min-w-0 break-words">{value}</dd>
        </div>
      ))}
    </dl>
  );
}

export const Loading = ({ what }: { what: string }) => <p role="status" className="py-2 text-sm text-stone-600 dark:text-stone-400">Loading {what} …</p>;

interface ConfirmProps {
  title: string;
  action: string;
  busy: boolean;
  error: unknown;
  onConfirm: () => void;
  onClose: () => void;
  children: ReactNode;
}

/** Asks before what cannot be taken back. Escape and Cancel close it. */
export function Confirm({ title, action, busy, error, onConfirm, onClose, children }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog
      ref={dialog}
      aria-labelledby={id}
      onClose={onClose}
      className="m-auto w-[min(28rem,calc(100vw-2rem))] rounded-xl border border-stone-200 bg-white p-5 text-stone-900 shadow-xl backdrop:bg-black/50 dark:border-stone-700 dark:bg-stone-900 dark:text-stone-100"
    >
      <h2 id={id} className="text-lg font-semibold break-words">{title}</h2>
      <div className="mt-2 mb-4 text-sm text-stone-700 dark:text-stone-300">{children}</div>
      <ErrorNotice error={error} />
      <div className="flex justify-end gap-2">
        <Button onClick={() => dialog.current?.close()}>Cancel</Button>
        <Button look="danger" busy={busy} onClick={onConfirm}>{action}</Button>
      </div>
    </dialog>
  );
}
