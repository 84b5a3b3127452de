import type { Core } from './core.js';
import { camel, type Camel, type OneOf, type Wire } from './names.js';
import { List, nextOf, type PageOptions } from './page.js';
import type { RequestOptions } from './transport.js';

/** Whether the device's server has confirmed the change: `live`, or `pending` when it will soon, without another call. */
export type PeerStatus = OneOf<'live' | 'pending'>;

export interface RegisterDevice {
  /** 1 to 255 characters. */
  deviceName: string;

  /** The device's own WireGuard key (base64); without it CVault makes the pair. */
  publicKey?: string;

  /** Where its server should be; without it, wherever there is most room. */
  serverRegion?: string;
}

/** A new device with its config. */
export interface RegisteredDevice {
  id: string;

  /** The whole WireGuard config, private key included; for a device with its own key, with a comment in that line's place. Secret. */
  config: string;
  assignedIp: string;
  assignedIpv6: string;
  deviceName: string;
  publicKey: string;
  serverId: string;
  serverRegion: string;

  /** RFC 3339, UTC. */
  createdAt: string;
  peerStatus: PeerStatus;
}

/** A device of the user. One that is parked has no addresses and no server until it connects. */
export interface Device {
  id: string;
  deviceName: string;
  publicKey: string;
  assignedIp: string | null;
  assignedIpv6: string | null;
  serverId: string | null;

  /** Who made the private key: CVault (`managed`) or the device (`client`). */
  keyCustody: OneOf<'managed' | 'client'>;
  status: OneOf<'active'>;

  /** RFC 3339, UTC. */
  createdAt: string;
}

export interface DevicePage {
  devices: Device[];

  /** For the next page; null at the end. */
  nextCursor: string | null;
}

/** A device's config. */
export interface DeviceConfig {
  id: string;

  /** Secret. */
  config: string;

  /** False for a device that brought its own key. */
  containsPrivateKey: boolean;
}

/** New keys and config. The old ones stop working when `peerStatus` is `live`. */
export interface RotatedKey {
  id: string;
  publicKey: string;

  /** Secret. */
  config: string;
  peerStatus: PeerStatus;
}

/** A device that is no more. */
export interface RemovedDevice {
  id: string;
  status: OneOf<'revoked'>;

  /** `live`: its server has confirmed that the peer is gone. */
  peerStatus: PeerStatus;
}

/** The devices of the user who is signed in. Somebody else's are `NOT_FOUND`. */
export class Devices {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * A new device, with an address and a config.
   * @throws `DEVICE_LIMIT_EXCEEDED`, `BANDWIDTH_LIMIT_EXCEEDED`, `SERVER_UNAVAILABLE`, `POOL_EXHAUSTED`, `VALIDATION_FAILED`
   */
  async register({ deviceName, publicKey, serverRegion }: RegisterDevice, options?: RequestOptions): Promise<RegisteredDevice> {
    const body: Wire['RegisterDevice'] = { device_name: deviceName, ...(publicKey !== undefined && { public_key: publicKey }), ...(serverRegion !== undefined && { server_region: serverRegion }) };
    return await this.#core.userCall({ method: 'POST', path: '/api/v1/devices', body, options, read: named<Wire['RegisteredDeviceView']> });
  }

  /** One page when awaited, all devices by `for await`. */
  list({ limit, cursor }: PageOptions = {}, options?: RequestOptions): List<DevicePage, Device> {
    return new List<DevicePage, Device>(
      cursor => this.#core.userCall({
        method: 'GET', path: '/api/v1/devices', query: { limit, cursor }, options,
        read: ({ devices, next_cursor }: Wire['DevicesView']) => ({ devices: devices.map(device => named(device)), nextCursor: nextOf(next_cursor, cursor) }),
      }),
      page => page.devices,
      cursor,
    );
  }

  async get(id: string, options?: RequestOptions): Promise<Device> {
    return await this.#core.userCall({ method: 'GET', path: one, id, options, read: named<Wire['DeviceView']> });
  }

  /** Ends the device: its tunnel carries nothing any more, and there is room for another. One whose answer was lost, and that then is not found, has done so. */
  async remove(id: string, options?: RequestOptions): Promise<RemovedDevice> {
    return await this.#core.userCall({ method: 'DELETE', path: one, id, options, read: named<Wire['RevokedDeviceView']>, gone: { device_id: id, status: 'revoked', peer_status: 'pending' } });
  }

  /**
   * New keys at the same address; the device needs the new config.
   * @param input The new key of a device that makes its own.
   * @throws `CONFLICT` for a parked device, `BANDWIDTH_LIMIT_EXCEEDED`
   */
  async rotateKey(id: string, { publicKey }: { publicKey?: string } = {}, options?: RequestOptions): Promise<RotatedKey> {
    const body = publicKey === undefined ? {} : { public_key: publicKey };
    return await this.#core.userCall({ method: 'POST', path: one + '/rotate-key', id, body, options, read: named<Wire['RotatedKeyView']> });
  }

  /**
   * The config again.
   * @throws `CONFLICT` for a parked device
   */
  async config(id: string, options?: RequestOptions): Promise<DeviceConfig> {
    return await this.#core.userCall({ method: 'GET', path: config, id, options, read: named<Wire['DeviceConfigView']> });
  }

  /** The config as the text of a file. Secret. */
  async configText(id: string, options?: RequestOptions): Promise<string> {
    return await this.#core.userCall<string>({ method: 'GET', path: config, id, accept: 'text/plain', options });
  }

  /** The config as a QR code for WireGuard's apps: the bytes of a PNG. Secret. */
  async configQr(id: string, options?: RequestOptions): Promise<Uint8Array<ArrayBuffer>> {
    return await this.#core.userCall<Uint8Array<ArrayBuffer>>({ method: 'GET', path: config, id, accept: 'image/png', options });
  }
}

const one = '/api/v1/devices/{id}';
const config = one + '/config';

/** Of a device the id is plainly `id`. */
function named<T extends { device_id: string }>({ device_id, ...rest }: T): { id: string } & Camel<Omit<T, 'device_id'>> {
  return { id: device_id, ...camel(rest) };
}
