import { CVaultError, ErrorCode, isCVaultError } from './errors.js';
import type { Emitter } from './events.js';
import type { Sessions } from './session.js';
import { newIdempotencyKey, type Call, type Transport } from './transport.js';

/** A call whose path may have `{id}` in it. */
export type CoreCall<T = unknown> = Call<T> & { id?: string };

/** What the resources of one client share. */
export class Core {
  constructor(
    readonly transport: Transport,
    readonly sessions: Sessions,
    readonly events: Emitter,
  ) {}

  /** A call by the API key alone. */
  call<T>(call: CoreCall<T>): Promise<T> {
    return this.#told(async () => await this.transport.send(prepare(call)));
  }

  /** A call on behalf of the user who is signed in. */
  userCall<T>(call: CoreCall<T>): Promise<T> {
    return this.#told(async () => {
      const prepared = prepare(call);
      return await this.sessions.with(call.options?.signal, token => this.transport.send(prepared, token));
    });
  }

  async #told<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isCVaultError(error)) this.events.emit('error', error);
      throw error;
    }
  }
}

/** With its id in its path, and one idempotency key for all that follows. */
function prepare<T>({ id, ...call }: CoreCall<T>): Call<T> {
  const { path, method, options } = call;
  if (!path.includes('{id}')) return { ...call, options: withKey() };
  // Anything else could lead to another resource: DELETE /devices/ or /devices/../users.
  if (typeof id !== 'string' || !/^[\w-]+$/.test(id)) throw new CVaultError(ErrorCode.ValidationFailed, 'The id is not one of CVault\'s.', { errors: { id: ['Letters, digits and dashes.'] } });
  return { ...call, path: path.replace('{id}', id), options: withKey() };

  function withKey() {
    return method === 'POST' ? { ...options, idempotencyKey: options?.idempotencyKey ?? newIdempotencyKey() } : options;
  }
}
