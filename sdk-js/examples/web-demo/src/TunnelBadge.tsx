import type { VpnSession } from '@cvault/sdk-js';
import { Badge } from './ui';

/** What the server last said of a session's tunnel: a session is a record, and says nothing of it by itself. */
const states = {
  up: { tone: 'good', text: 'Tunnel up', why: 'The server heard from the device within the last three minutes.' },
  down: { tone: 'warn', text: 'Tunnel down', why: 'The server hears nothing from the device. Bring its config into a WireGuard app and switch it on there: this page cannot.' },
  unknown: { tone: 'quiet', text: 'Tunnel not known yet', why: 'The server was not read since the session began; that takes some seconds.' },
} as const;

const stateOf = ({ tunnel }: VpnSession) => states[tunnel as keyof typeof states] ?? states.unknown; // a later API may say more

export const TunnelBadge = ({ session }: { session: VpnSession }) => <Badge tone={stateOf(session).tone}>{stateOf(session).text}</Badge>;

export const whyOf = (session: VpnSession): string => stateOf(session).why;
