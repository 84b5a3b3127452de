import type CVault from '@cvault/sdk-js';
import { useState, type ReactNode } from 'react';
import { explain } from '../errors';
import { useAction } from '../hooks';
import type { Settings } from '../settings';
import { Button, Card, ErrorNotice, Field, Notice, Title } from '../ui';

/** `verify` and `reset` ask for the code of a mail. */
type Step = 'login' | 'register' | 'verify' | 'forgot' | 'reset';

const texts: Record<Step, { title: string; action: string }> = {
  login: { title: 'Sign in', action: 'Sign in' },
  register: { title: 'Make an account', action: 'Make the account' },
  verify: { title: 'Confirm your email', action: 'Confirm' },
  forgot: { title: 'Forgot your password?', action: 'Send me a code' },
  reset: { title: 'Choose a new password', action: 'Set the password' },
};

interface SignInProps {
  cvault: CVault;
  settings: Settings;
  /** A sign-in that there was is over without the user's doing. */
  ended: boolean;
  onSignedIn: () => void;
  onChangeKey: () => void;
}

export function SignIn({ cvault, settings, ended, onSignedIn, onChangeKey }: SignInProps) {
  const [step, setStep] = useState<Step>('login');
  const [notice, setNotice] = useState(ended ? 'Your sign-in has ended. Sign in again.' : '');
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [token, setToken] = useState('');

  const move = (to: Step, said = '') => {
    send.clear();
    setNotice(said);
    setToken('');
    setStep(to);
  };
  const send = useAction(async () => {
    switch (step) {
      case 'login':
        await cvault.auth.login({ email, password });
        return onSignedIn();
      case 'register': {
        const { status } = await cvault.auth.register({ email, password });
        return status === 'signed_in' ? onSignedIn() : move('verify', `We sent a mail to ${email}. Enter the code that is in it.`);
      }
      case 'verify':
        await cvault.auth.verify({ token: token.trim() });
        return onSignedIn();
      case 'forgot':
        await cvault.auth.forgotPassword({ email });
        return move('reset', `If ${email} has an account, a mail with a code is on its way.`);
      case 'reset':
        await cvault.auth.resetPassword({ token: token.trim(), password });
        return move('login', 'The password is changed. Sign in with it.');
    }
  });
  const fields = send.error ? explain(send.error).fields : {};
  const { title, action } = texts[step];

  return (
    <>
      <Title note={<>As a user of the business whose key you entered, at <span className="break-all">{new URL(settings.baseUrl).host}</span>.</>}>{title}</Title>
      {notice && <Notice tone={ended && step === 'login' ? 'warn' : 'quiet'}>{notice}</Notice>}
      <Card>
        <form
          noValidate
          className="grid gap-5"
          onSubmit={(e) => {
            e.preventDefault();
            void send.run();
          }}
        >
          {(step === 'login' || step === 'register' || step === 'forgot') && (
            <Field label="Email" type="email" autoComplete="username" required value={email} problem={fields.email?.join(' ')} onChange={(e) => setEmail(e.target.value)} />
          )}
          {(step === 'verify' || step === 'reset') && (
            <Field label="Code from the mail" autoComplete="one-time-code" autoCapitalize="none" spellCheck={false} required value={token} problem={fields.token?.join(' ')} onChange={(e) => setToken(e.target.value)} />
          )}
          {(step === 'login' || step === 'register' || step === 'reset') && (
            <Field
              label={step === 'reset' ? 'New password' : 'Password'} type="password" autoComplete={step === 'login' ? 'current-password' : 'new-password'} required
              value={password} problem={fields.password?.join(' ')} onChange={(e) => setPassword(e.target.value)} hint={step === 'login' ? undefined : 'At least 8 characters, and none of the common ones.'}
            />
          )}
          <div className="-mb-5 empty:hidden"><ErrorNotice error={send.error} /></div>
          <Button type="submit" look="primary" busy={send.busy}>{action}</Button>
        </form>
      </Card>
      <div className="flex flex-wrap gap-x-6 gap-y-1">
        {step !== 'login' && <Turn onClick={() => move('login')}>Sign in instead</Turn>}
        {step === 'login' && <Turn onClick={() => move('register')}>Make an account</Turn>}
        {step === 'login' && <Turn onClick={() => move('forgot')}>Forgot your password?</Turn>}
        <Turn onClick={onChangeKey}>Use another key</Turn>
      </div>
    </>
  );
}

const Turn = ({ onClick, children }: { onClick: () => void; children: ReactNode }) => (
  <button type="button" onClick={onClick} className="py-1.5 text-sm font-medium text-teal-700 underline underline-offset-2 hover:text-teal-900 dark:text-teal-400 dark:hover:text-teal-200">
    {children}
  </button>
);
