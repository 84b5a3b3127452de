import type { Core } from './core.js';
import type { PeerStatus } from './devices.js';
import { camel, type OneOf, type Wire } from './names.js';
import type { RequestOptions } from './transport.js';

export interface Connect {
  deviceId: string;

  /** Where to connect to; without it, the device's own server. */
  serverRegion?: string;
}

/** A session that has begun. */
export interface Connection {
  sessionId: string;
  deviceId: string;
  serverIp: string;
  serverPort: number;
  serverRegion: string;
  assignedIp: string;
  status: OneOf<'connected'>;

  /** The config to use from now on, where the device moved to another server or was parked; else null: it stays as it was. Secret. */
  config: string | null;
  peerStatus: PeerStatus;
}

/** What a disconnect ended. */
export interface Disconnection {
  /** The session that ended, the last begun where there were several; null when there was none. */
  sessionId: string | null;
  status: OneOf<'disconnected'>;

  /** How many ended. */
  ended: number;
}

/** An open session, with what the last reading of its server said of it. */
export interface VpnSession {
  sessionId: string;
  deviceId: string;
  serverIp: string;
  serverPort: number;
  serverRegion: string;
  assignedIp: string;

  /** RFC 3339, UTC, like all times here. */
  connectedAt: string;

  /** `up`: a handshake within 180 s of the reading. `down`: none. `unknown`: the server has not been read since the session began. */
  tunnel: OneOf<'up' | 'down' | 'unknown'>;

  /** Null before the first. */
  lastHandshakeAt: string | null;

  /** Bytes from the device in this session, as of the reading. */
  rxBytes: number;

  /** Bytes to the device. */
  txBytes: number;

  /** When the server was last read; null for never. */
  readAt: string | null;

  /** How many seconds ago that was. */
  readAgeSeconds: number | null;
}

/** The user's connection: the last begun session's members at the top, every open one below. */
export interface VpnStatus {
  status: OneOf<'connected' | 'disconnected'>;
  sessionId: string | null;
  deviceId: string | null;
  serverIp: string | null;
  serverPort: number | null;
  serverRegion: string | null;
  assignedIp: string | null;
  connectedAt: string | null;
  sessions: VpnSession[];
}

/** Sessions of the user who is signed in. The tunnel itself is WireGuard's: the SDK gives it its config. */
export class Vpn {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * Opens a session; connecting twice is one. With another region the device moves there, and needs the `config` that comes with it.
   * @throws `BANDWIDTH_LIMIT_EXCEEDED`, `SERVER_UNAVAILABLE`, `POOL_EXHAUSTED`, `NOT_FOUND`
   */
  async connect(input: Connect, options?: RequestOptions): Promise<Connection> {
    const body = bodyOf(input) satisfies Wire['Connect'];
    const connection: Connection = await this.#core.userCall({ method: 'POST', path: '/api/v1/vpn/connect', body, options, read: camel<Wire['ConnectedView']> });
    this.#core.events.emit('connected', connection);
    return connection;
  }

  /** Ends the device's session, or all of the user's. Ending what has ended is no error. */
  async disconnect(input: { deviceId?: string } = {}, options?: RequestOptions): Promise<Disconnection> {
    const disconnection: Disconnection = await this.#core.userCall({ method: 'POST', path: '/api/v1/vpn/disconnect', body: bodyOf(input), options, read: camel<Wire['DisconnectedView']> });
    this.#core.events.emit('disconnected', disconnection);
    return disconnection;
  }

  /** The user's open sessions, or the device's. */
  async status({ deviceId }: { deviceId?: string } = {}, options?: RequestOptions): Promise<VpnStatus> {
    return await this.#core.userCall({ method: 'GET', path: '/api/v1/vpn/status', query: { device_id: deviceId }, options, read: camel<Wire['StatusView']> });
  }
}

/** What is not given is left out; without a device it is the API that says what is missing. */
const bodyOf = (input: Partial<Connect> | undefined) => ({
  ...(input?.deviceId !== undefined && { device_id: input.deviceId }),
  ...(input?.serverRegion !== undefined && { server_region: input.serverRegion }),
});
