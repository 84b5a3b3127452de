import { Auth } from './auth.js';
import { Core } from './core.js';
import { Devices } from './devices.js';
import { Emitter, type Events, type Handler } from './events.js';
import type { Logger } from './log.js';
import { isPage } from './platform.js';
import { Servers } from './servers.js';
import { Sessions } from './session.js';
import { defaultStorage, type SessionStorage } from './storage.js';
import { Transport } from './transport.js';
import { Usage } from './usage.js';
import { Users } from './users.js';
import { Vpn } from './vpn.js';

export interface CVaultOptions {
  /** A publishable key (`cvp_…`) for apps and pages, or a secret key's id (`cvk_…`) with its `apiSecret`. */
  apiKey: string;

  /** Only ever on your servers. In a browser's page or worker it is refused. */
  apiSecret?: string;

  /** Where the API is: https, or http on this machine. */
  baseUrl: string;

  /** Instead of the platform's `fetch`. */
  fetch?: typeof fetch;

  /** Where the login is kept; localStorage in a page, memory elsewhere. */
  storage?: SessionStorage;

  /** Milliseconds for each attempt of a call; 30,000. */
  timeout?: number;

  /** How many more attempts there are after the first; 2. */
  maxRetries?: number;

  /** Told of every attempt, without secrets. */
  logger?: Logger;

  /** Goes behind the SDK's own `User-Agent`, outside browsers: `my-app/1.2`. */
  userAgent?: string;
}

/** A client of CVault: one user at a time. */
export class CVault {
  /** Registration, sign-in and passwords. */
  readonly auth: Auth;

  /** The signed-in user's devices and their configs. */
  readonly devices: Devices;

  /** The VPN servers. */
  readonly servers: Servers;

  /** The signed-in user's sessions. */
  readonly vpn: Vpn;

  /** What the business used. Needs the API secret. */
  readonly usage: Usage;

  /** The business's users. Needs the API secret. */
  readonly users: Users;
  readonly #events = new Emitter();

  /** @throws TypeError for options with which no call should be made. */
  constructor({ apiKey, apiSecret, baseUrl, fetch, storage, timeout = 30_000, maxRetries = 2, logger, userAgent }: CVaultOptions) {
    if (typeof apiKey !== 'string' || apiKey === '') throw new TypeError('apiKey is required.');
    if (apiKey.startsWith('cvs_')) throw new TypeError('apiKey is a secret: give it as apiSecret, on your server.');
    if (apiSecret !== undefined && isPage()) throw new TypeError('An apiSecret must never be in a page, where everybody can read it. Use a publishable key.');
    const transport = new Transport({ baseUrl, apiKey, apiSecret, fetch, timeout, maxRetries, logger, userAgent });
    const core = new Core(transport, new Sessions(storage ?? defaultStorage(transport.name), transport), this.#events);
    this.auth = new Auth(core);
    this.devices = new Devices(core);
    this.servers = new Servers(core);
    this.vpn = new Vpn(core);
    this.usage = new Usage(core);
    this.users = new Users(core);
  }

  /**
   * Calls the handler at each `connected`, `disconnected` or `error`.
   * @returns the function that ends that
   */
  on<Name extends keyof Events>(name: Name, handler: Handler<Name>): () => void {
    return this.#events.on(name, handler);
  }
}
