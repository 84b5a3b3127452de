import type { Core } from './core.js';
import { camel, type OneOf, type Wire } from './names.js';
import { List, nextOf, type PageOptions } from './page.js';
import type { RequestOptions } from './transport.js';

/** A user as their business's server sees them. */
export interface User {
  id: string;

  /** Null where none is known. */
  email: string | null;

  /** Your own id, of `auth.external`; null for others. */
  externalUserId: string | null;

  /** The identity provider's `sub`, of `auth.oidc`; null for others. */
  subject: string | null;

  /** RFC 3339, UTC. */
  createdAt: string;
  status: OneOf<'active'>;
}

export interface UserPage {
  users: User[];

  /** For the next page; null at the end. */
  nextCursor: string | null;
}

/** A user who is no more. */
export interface RemovedUser {
  id: string;
  status: OneOf<'deleted'>;
}

/** The business's users. Needs the API secret. */
export class Users {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /** One page when awaited, all users by `for await`. */
  list({ limit, cursor }: PageOptions = {}, options?: RequestOptions): List<UserPage, User> {
    return new List<UserPage, User>(
      cursor => this.#core.call({
        method: 'GET', path: '/api/v1/users', query: { limit, cursor }, options,
        read: ({ users, next_cursor }: Wire['UsersView']) => ({ users: users.map(user => camel(user)), nextCursor: nextOf(next_cursor, cursor) }),
      }),
      page => page.users,
      cursor,
    );
  }

  async get(id: string, options?: RequestOptions): Promise<User> {
    return await this.#core.call({ method: 'GET', path: one, id, options, read: camel<Wire['UserView']> });
  }

  /** Ends the user: logins, devices and all that is personal about them. One whose answer was lost, and that then is not found, has done so. */
  async remove(id: string, options?: RequestOptions): Promise<RemovedUser> {
    return await this.#core.call({ method: 'DELETE', path: one, id, options, read: camel<Wire['DeletedUserView']>, gone: { id, status: 'deleted' } });
  }
}

const one = '/api/v1/users/{id}';
