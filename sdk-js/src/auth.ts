import type { Core } from './core.js';
import type { Wire } from './names.js';
import { tokensOf, type Tokens } from './session.js';
import type { RequestOptions } from './transport.js';

export interface EmailAndPassword {
  email: string;

  /** What is too short or too common is refused with `VALIDATION_FAILED`. */
  password: string;
}

/** Somebody is signed in now: the client's calls are theirs. */
export interface SignedIn {
  status: 'signed_in';
  userId: string;

  /** Seconds until the access token expires. It is refreshed without a call of yours. */
  expiresIn: number;
}

/** The business has emails verified: nobody is signed in until the mail's token is given to `auth.verify`. The same for an email that is somebody's already. */
export interface VerificationSent {
  status: 'verification_sent';
  userId: null;
  expiresIn: null;
}

/** What became of a change or a mail: `password_changed`, `password_reset`, `reset_sent`. */
export interface Outcome {
  status: string;
}

/** Who is signed in. */
export interface Session {
  userId: string;

  /** JWT for `Authorization: Bearer`, for your own server to verify by the API's `/.well-known/jwks.json`. Secret. */
  accessToken: string;

  /** When the access token expires, in milliseconds since 1970. */
  expiresAt: number;
}

/** Registration, sign-in and passwords of users. */
export class Auth {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Makes a user and signs them in, or has their email verified first where the business wants that.
   * @throws `EMAIL_TAKEN`, `USER_LIMIT_EXCEEDED`, `VALIDATION_FAILED`
   */
  async register({ email, password }: EmailAndPassword, options?: RequestOptions): Promise<SignedIn | VerificationSent> {
    const tokens = await this.#core.call({ ...post('register', { email, password } satisfies Wire['EmailAndPassword']), options, read: (answer: Wire['TokenView'] | Wire['OutcomeView']) => ('status' in answer ? null : tokensOf(answer)) });
    return tokens ? await this.#start(tokens) : { status: 'verification_sent', userId: null, expiresIn: null };
  }

  /**
   * Makes the user whom the mail's token is of, and signs them in.
   * @throws `VALIDATION_FAILED` for a token that is unknown, used or expired
   */
  async verify({ token }: { token: string }, options?: RequestOptions): Promise<SignedIn> {
    return await this.#signIn('verify', { token } satisfies Wire['VerifyUserEmail'], options);
  }

  /**
   * Signs a user in, in the place of whoever was.
   * @throws `INVALID_CREDENTIALS`, `RATE_LIMITED`
   */
  async login({ email, password }: EmailAndPassword, options?: RequestOptions): Promise<SignedIn> {
    return await this.#signIn('login', { email, password } satisfies Wire['EmailAndPassword'], options);
  }

  /**
   * Signs in a user whom your server knows by an id of its own; makes them at the first time. Needs the API secret.
   * @throws `FORBIDDEN` without the secret, `USER_LIMIT_EXCEEDED`
   */
  async external({ externalUserId, email }: { externalUserId: string; email?: string }, options?: RequestOptions): Promise<SignedIn> {
    return await this.#signIn('external', { external_user_id: externalUserId, ...(email !== undefined && { email }) } satisfies Wire['SignInExternal'], options);
  }

  /**
   * Signs in by an ID token of the business's OpenID Connect provider; makes the user at the first time.
   * @throws `UNAUTHENTICATED` for a token that is not the provider's, `CONFLICT` where no provider is registered, `ISSUER_UNAVAILABLE`
   */
  async oidc({ idToken }: { idToken: string }, options?: RequestOptions): Promise<SignedIn> {
    return await this.#signIn('oidc', { id_token: idToken } satisfies Wire['SignInByIdToken'], options);
  }

  /** Forgets the login and tells the API to end it. Does not fail: signed out is signed out, whether the API hears of it or not. */
  async logout(options?: RequestOptions): Promise<void> {
    const session = await this.#core.sessions.end();
    if (!session) return;
    try {
      // By the refresh token alone: an access token that has expired would be refused.
      await this.#core.transport.send({ ...post('logout', { refresh_token: session.refreshToken }), options });
    } catch {
      options?.signal?.throwIfAborted();
    }
  }

  /**
   * Another password for the user who is signed in. Their logins elsewhere end.
   * @throws `INVALID_CREDENTIALS` when the current one is wrong, `VALIDATION_FAILED`
   */
  async changePassword({ currentPassword, newPassword }: { currentPassword: string; newPassword: string }, options?: RequestOptions): Promise<Outcome> {
    const body = { current_password: currentPassword, new_password: newPassword } satisfies Wire['ChangeUserPassword'];
    return await this.#core.userCall<Wire['OutcomeView']>({ ...post('password', body), options });
  }

  /** Has a mail sent with a token for `resetPassword`, if the email is a user's; the answer is the same if it is not. */
  async forgotPassword({ email }: { email: string }, options?: RequestOptions): Promise<Outcome> {
    return await this.#core.call<Wire['OutcomeView']>({ ...post('password/forgot', { email } satisfies Wire['ForgottenPassword']), options });
  }

  /**
   * Another password for whoever has the mail's token. All of their logins end; nobody is signed in by it.
   * @throws `VALIDATION_FAILED` for a token that is unknown, used or expired
   */
  async resetPassword({ token, password }: { token: string; password: string }, options?: RequestOptions): Promise<Outcome> {
    return await this.#core.call<Wire['OutcomeView']>({ ...post('password/reset', { token, password } satisfies Wire['ResetUserPassword']), options });
  }

  /** Who is signed in, as the store has it; null for nobody. Asks no server. */
  async session(): Promise<Session | null> {
    const session = await this.#core.sessions.read();
    return session && { userId: session.userId, accessToken: session.accessToken, expiresAt: session.expiresAt };
  }

  async #signIn(path: string, body: object, options: RequestOptions | undefined): Promise<SignedIn> {
    return await this.#start(await this.#core.call({ ...post(path, body), options, read: tokensOf }));
  }

  async #start(tokens: Tokens): Promise<SignedIn> {
    await this.#core.sessions.start(tokens);
    return { status: 'signed_in', userId: tokens.user_id, expiresIn: tokens.expires_in };
  }
}

const post = (path: string, body: object) => ({ method: 'POST' as const, path: `/api/v1/auth/${path}`, body });
