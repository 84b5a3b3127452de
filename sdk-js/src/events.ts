import type { CVaultError } from './errors.js';
import type { Connection, Disconnection } from './vpn.js';

/** The events of a client, with what their handlers are given. */
export interface Events {
  /** `vpn.connect` succeeded. */
  connected: Connection;

  /** `vpn.disconnect` succeeded. */
  disconnected: Disconnection;

  /** A call threw this error. */
  error: CVaultError;
}

export type Handler<Name extends keyof Events> = (event: Events[Name]) => void;

/** Who listens to what. */
export class Emitter {
  readonly #handlers = new Map<keyof Events, Set<{ handler: Handler<never> }>>();

  /** Returns the function that ends it. The same handler may be there twice. */
  on<Name extends keyof Events>(name: Name, handler: Handler<Name>): () => void {
    const handlers = this.#handlers.get(name) ?? new Set();
    this.#handlers.set(name, handlers);
    const entry = { handler: handler as Handler<never> };
    handlers.add(entry);
    return () => void handlers.delete(entry);
  }

  /** A handler that throws, or whose promise is rejected, breaks nothing. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const { handler } of [...(this.#handlers.get(name) ?? [])]) {
      void (async () => (handler as Handler<Name>)(event))().catch(() => {});
    }
  }
}
