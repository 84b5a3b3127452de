import { isCVaultError } from '@cvault/sdk-js';

/** An error as a person needs it: what happened, and what to do about it. */
export interface Explanation {
  title: string;
  advice: string;
  /** The API's stable code; null for what is no error of the SDK. */
  code: string | null;
  /** For the API's operator, who finds the request in their logs by it. */
  requestId: string | null;
  /** Field of the request (snake_case) to what is wrong with it. */
  fields: Readonly<Record<string, string[]>>;
}

/** The codes that this page can meet, with what their reader can do. The rest is said by the API's own message. */
const known: Record<string, [title: string, advice: string]> = {
  INVALID_API_KEY: ['The API does not know this key', 'Check that it was copied whole, belongs to this API and is not revoked or expired.'],
  ORIGIN_NOT_ALLOWED: ['This page may not use this key', 'Add the address of this page to the key’s allowed origins: {origin}'],
  TENANT_SUSPENDED: ['The account of this business is suspended', 'Its owner can find out why from CVault’s operator. Nothing here works until then.'],
  EMAIL_UNVERIFIED: ['The business has yet to confirm its email', 'The owner opens the link in the mail that came when they signed up. The keys work from then on.'],
  INVALID_CREDENTIALS: ['The email or the password is wrong', 'Try again, or make an account if you have none with this business.'],
  EMAIL_TAKEN: ['This email cannot be registered', 'If you have an account with it, sign in instead.'],
  UNAUTHENTICATED: ['Your sign-in has ended', 'Sign in again.'],
  USER_LIMIT_EXCEEDED: ['This business has as many users as its plan allows', 'Its plan has to grow, or users have to be removed.'],
  DEVICE_LIMIT_EXCEEDED: ['You have as many devices as you may', 'Remove one that you no longer use, then add this one.'],
  BANDWIDTH_LIMIT_EXCEEDED: ['This month’s bandwidth is used up', 'Tunnels come back next month or with a higher limit. Everything else goes on working.'],
  SERVER_UNAVAILABLE: ['No server there can take this device now', 'Choose another region, or try again in a minute.'],
  POOL_EXHAUSTED: ['Every server that could take this device is full', 'Choose another region, or try again later.'],
  NOT_FOUND: ['This is not there (any more)', 'It may have been removed elsewhere. Go back to the list.'],
  RATE_LIMITED: ['Too many requests', 'Wait {wait}, then try again.'],
  SERVICE_UNAVAILABLE: ['The API is not well at the moment', 'Nothing was changed. Try again in a minute.'],
  INTERNAL_ERROR: ['Something went wrong in the API', 'Try again. If it stays, give CVault’s operator the request id.'],
  HTTPS_REQUIRED: ['This API answers https only', 'Enter the key anew, with an address that begins with https://.'],
  VALIDATION_FAILED: ['Something in the form is not right', 'See what it says at the fields.'],
  NETWORK_ERROR: [
    'No answer from the API',
    'Either it cannot be reached (check its address and your connection), or it does not let this page in: the key’s allowed origins must have {origin}',
  ],
};

export function explain(error: unknown): Explanation {
  if (!isCVaultError(error)) {
    return { title: 'Something went wrong in this page', advice: error instanceof Error ? error.message : String(error), code: null, requestId: null, fields: {} };
  }
  const [title, advice] = known[error.code] ?? [error.message, 'Try again. If it stays, give CVault’s operator the request id.'];
  const wait = error.retryAfter === null ? 'a minute' : error.retryAfter === 1 ? 'a second' : `${error.retryAfter} seconds`;
  return {
    title,
    advice: advice.replace('{origin}', globalThis.location?.origin ?? '').replace('{wait}', wait),
    code: error.code,
    requestId: error.requestId,
    fields: error.errors,
  };
}
