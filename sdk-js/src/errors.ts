/** The codes that the API and the SDK give. Later versions of the API may add others. */
export const ErrorCode = {
  /** The API key or secret is missing, unknown or revoked (401). */
  InvalidApiKey: 'INVALID_API_KEY',
  /** Nobody is signed in, or their login has ended (401, or 0 when the SDK knows without asking). */
  Unauthenticated: 'UNAUTHENTICATED',
  /** Wrong email or password (401). */
  InvalidCredentials: 'INVALID_CREDENTIALS',
  /** The credential may not do that (403). */
  Forbidden: 'FORBIDDEN',
  /** Pages of this origin may not use this key (403). */
  OriginNotAllowed: 'ORIGIN_NOT_ALLOWED',
  /** The business's account is suspended (403). */
  TenantSuspended: 'TENANT_SUSPENDED',
  /** The business's owner has yet to verify their email (403). */
  EmailUnverified: 'EMAIL_UNVERIFIED',
  /** The API is spoken to by https only (403). */
  HttpsRequired: 'HTTPS_REQUIRED',
  /** The business has as many users as its plan allows (403). */
  UserLimitExceeded: 'USER_LIMIT_EXCEEDED',
  /** The user has as many devices as the business allows (403). */
  DeviceLimitExceeded: 'DEVICE_LIMIT_EXCEEDED',
  /** The business has moved as many bytes this month as its plan allows (403). */
  BandwidthLimitExceeded: 'BANDWIDTH_LIMIT_EXCEEDED',
  /** There is no such thing, or it is somebody else's (404). */
  NotFound: 'NOT_FOUND',
  /** The state of the thing, or another request, stands against it (409). */
  Conflict: 'CONFLICT',
  /** The email cannot be registered (409). */
  EmailTaken: 'EMAIL_TAKEN',
  /** Input of the wrong shape; `errors` says what of it (400, or 0 when the SDK found it). */
  ValidationFailed: 'VALIDATION_FAILED',
  /** The idempotency key was used with another body (422). */
  IdempotencyKeyReused: 'IDEMPOTENCY_KEY_REUSED',
  /** Too many requests; `retryAfter` says when to go on (429). */
  RateLimited: 'RATE_LIMITED',
  /** No VPN server can take the device now (503). */
  ServerUnavailable: 'SERVER_UNAVAILABLE',
  /** Every VPN server that could take the device is full (503). */
  PoolExhausted: 'POOL_EXHAUSTED',
  /** The business's identity provider cannot be reached (503). */
  IssuerUnavailable: 'ISSUER_UNAVAILABLE',
  /** The API, or its database, is away for a moment (503). */
  ServiceUnavailable: 'SERVICE_UNAVAILABLE',
  /** Something went wrong there; it was logged under the request id (500). */
  InternalError: 'INTERNAL_ERROR',
  /** The SDK's: no connection, no answer in time, or one that broke off (0). */
  NetworkError: 'NETWORK_ERROR',
  /** The SDK's: an answer that is not the API's, such as a proxy's page or a redirect. */
  UnexpectedAnswer: 'UNEXPECTED_ANSWER',
} as const;

/** What else an error knows. */
export interface CVaultErrorDetails {
  status?: number;
  requestId?: string | null;
  errors?: Record<string, string[]>;
  retryAfter?: number | null;
  timedOut?: boolean;
  cause?: unknown;
}

/** What every failed call throws, but for the caller's own abort. Carries no secret and no token. */
export class CVaultError extends Error {
  override readonly name = 'CVaultError';

  /** Stable, in capitals: one of `ErrorCode`, or of a later version of the API. */
  readonly code: string;

  /** The HTTP status; 0 when there was no answer. */
  readonly status: number;

  /** By which the API's operator finds the request in the logs; null when there was no answer. */
  readonly requestId: string | null;

  /** What is wrong with each field of the input, under the API's names (`device_name`). Empty for other errors. */
  readonly errors: Readonly<Record<string, string[]>>;

  /** Seconds after which the call may be repeated; null when nobody said. */
  readonly retryAfter: number | null;

  /** The answer did not come in time. */
  readonly timedOut: boolean;

  constructor(code: string, message: string, details: CVaultErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.status = details.status ?? 0;
    this.requestId = details.requestId ?? null;
    this.errors = details.errors ?? {};
    this.retryAfter = details.retryAfter ?? null;
    this.timedOut = details.timedOut ?? false;
  }
}

/** Whether something caught is an error of CVault's, also one of another copy of this package. */
export function isCVaultError(error: unknown): error is CVaultError {
  return error instanceof Error && error.name === 'CVaultError';
}

/** Nobody is signed in: no request was made. */
export const notSignedIn = () => new CVaultError(ErrorCode.Unauthenticated, 'Nobody is signed in: call auth.login or auth.register first.');
