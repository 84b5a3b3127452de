import type { Core } from './core.js';
import { camel, type Wire } from './names.js';
import { List, nextOf, type PageOptions } from './page.js';
import type { RequestOptions } from './transport.js';

/** A VPN server. */
export interface Server {
  id: string;

  /** What `serverRegion` asks for. */
  region: string;

  /** How full it is, in percent, 0 to 100. */
  load: number;

  /** Whether a new device could be placed there now. */
  available: boolean;

  /** True on a development stack without WireGuard: nothing can connect to it. */
  simulated: boolean;
}

export interface ServerPage {
  servers: Server[];

  /** For the next page; null at the end. */
  nextCursor: string | null;
}

/** The VPN servers. */
export class Servers {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /** One page when awaited, all servers by `for await`. Nobody need be signed in. */
  list({ limit, cursor }: PageOptions = {}, options?: RequestOptions): List<ServerPage, Server> {
    return new List<ServerPage, Server>(
      cursor => this.#core.call({
        method: 'GET', path: '/api/v1/servers', query: { limit, cursor }, options,
        read: ({ servers, next_cursor }: Wire['ServersView']) => ({ servers: servers.map(server => camel(server)), nextCursor: nextOf(next_cursor, cursor) }),
      }),
      page => page.servers,
      cursor,
    );
  }
}
