import type { Core } from './core.js';
import { camel, type Wire } from './names.js';
import { List, nextOf, type PageOptions } from './page.js';
import type { RequestOptions } from './transport.js';

/** Which series; with none of it, there is none. */
export interface UsageRange extends PageOptions {
  /** RFC 3339 or a Date. At most 31 days by the hour, 400 by day. */
  from?: string | Date;
  to?: string | Date;
  granularity?: 'hour' | 'day';
  groupBy?: 'user' | 'device' | 'region';
}

/** What the business used in a period. */
export interface UsagePeriod {
  /** RFC 3339, UTC. */
  from: string;
  to: string;

  /** Received and sent, in gigabytes of 10^9 bytes. */
  bandwidthGb: number;

  /** Bytes from devices. */
  rxBytes: number;

  /** Bytes to devices. */
  txBytes: number;

  /** Users who were connected. */
  activeUsers: number;

  /** Of all sessions together. */
  connectionHours: number;
  apiCalls: number;
}

/** One hour or day of a series, and one group in it. */
export interface UsagePoint {
  /** The beginning of the hour or day, RFC 3339, UTC. */
  start: string;

  /** Only by `user`. */
  userId?: string | null;

  /** Only by `device`. */
  deviceId?: string | null;

  /** Only by `region`. */
  region?: string | null;
  rxBytes: number;
  txBytes: number;
  connectedSeconds: number;
  activeUsers: number;
}

export interface UsagePage {
  /** The calendar month (UTC) until now. */
  currentPeriod: UsagePeriod;

  /** Hours or days in which there was any usage, in order; null where no range was asked for. */
  series: UsagePoint[] | null;

  /** Of the series; null at its end. */
  nextCursor: string | null;
}

/** What the business used. Needs the API secret. */
export class Usage {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /**
   * This month's sums, and a page of a series where a range is given; by `for await`, the whole series.
   * @throws `FORBIDDEN` without the secret, `VALIDATION_FAILED`
   */
  get({ from, to, granularity, groupBy, limit, cursor }: UsageRange = {}, options?: RequestOptions): List<UsagePage, UsagePoint> {
    return new List<UsagePage, UsagePoint>(
      cursor => this.#core.call({
        method: 'GET', path: '/api/v1/usage', query: { from: timeOf(from), to: timeOf(to), granularity, group_by: groupBy, limit, cursor }, options,
        read: ({ current_period, series, next_cursor }: Wire['UsageView']) => ({ currentPeriod: camel(current_period), series: series?.map(point => camel(point)) ?? null, nextCursor: nextOf(next_cursor, cursor) }),
      }),
      page => page.series ?? [],
      cursor,
    );
  }
}

const timeOf = (time: string | Date | undefined) => (time instanceof Date ? time.toISOString() : time);
