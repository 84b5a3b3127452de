import { expect, it } from 'vitest';
import { clientOf, json, problem, thrown } from './support/clients.js';

const connected = { session_id: 's1', device_id: 'd1', server_ip: '198.51.100.11', server_port: 51820, server_region: 'us-east', assigned_ip: '10.8.0.2', status: 'connected', config: null, peer_status: 'live' };
const client = (answer: () => Response) => clientOf('https://api.example.com', { fetch: async () => answer() });

it('connected carries the connection', async () => {
  const cvault = client(() => json(connected));
  const events: unknown[] = [];
  cvault.on('connected', connection => events.push(connection));
  const connection = await cvault.vpn.connect({ deviceId: 'd1', serverRegion: 'us-east' });
  expect(events).toEqual([connection]);
  expect(connection).toMatchObject({ sessionId: 's1', deviceId: 'd1', peerStatus: 'live' });
});

it('error carries the error that the call throws, once', async () => {
  const cvault = client(() => problem(403, 'TENANT_SUSPENDED'));
  const events: unknown[] = [];
  cvault.on('error', error => events.push(error));
  expect(events).toEqual([]);
  const error = await thrown(cvault.vpn.connect({ deviceId: 'd1' }));
  expect(events).toEqual([error]);
});

it('on returns what ends it', async () => {
  const cvault = client(() => json(connected));
  const heard: string[] = [];
  const handler = () => heard.push('same');
  const end = cvault.on('connected', handler);
  cvault.on('connected', handler);
  cvault.on('connected', () => heard.push('other'));
  end();
  end();
  await cvault.vpn.connect({ deviceId: 'd1' });
  expect(heard).toEqual(['same', 'other']);
});

it('a handler that throws, or whose promise is rejected, breaks nothing', async () => {
  const cvault = client(() => json(connected));
  const heard: string[] = [];
  cvault.on('connected', () => { throw new Error('Mine.'); });
  cvault.on('connected', async () => await Promise.reject(new Error('Mine too.')));
  cvault.on('connected', () => heard.push('third'));
  await cvault.vpn.connect({ deviceId: 'd1' });
  expect(heard).toEqual(['third']);
});

it('a connect without a device is the API\'s to refuse', async () => {
  const bodies: unknown[] = [];
  const cvault = clientOf('https://api.example.com', { fetch: async (_, init) => (bodies.push(init!.body), problem(400, 'VALIDATION_FAILED')) });
  // As in the specification's 4.5.
  const connect = cvault.vpn.connect.bind(cvault.vpn) as () => Promise<unknown>;
  expect(await thrown(connect())).toMatchObject({ code: 'VALIDATION_FAILED', status: 400 });
  expect(bodies).toEqual(['{}']);
});
