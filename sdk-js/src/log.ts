/** One attempt of one request. Never a header, a body, a query's values, a secret or a token. */
export interface LogEntry {
  method: string;

  /** Without the host and without the query. */
  path: string;

  /** 1 for the first. */
  attempt: number;

  /** Milliseconds from sending to the end of the answer, or to the failure. */
  ms: number;

  /** The HTTP status; 0 when there was no answer. */
  status: number;

  /** The answer's `X-Request-Id`; null without one. */
  requestId: string | null;

  /** The code of the error that the attempt ended with; absent when it succeeded, `ABORTED` when the caller gave up. */
  error?: string;
}

/** Where the debug log goes, for example `console.debug`. One that throws, or whose promise is rejected, is ignored. */
export type Logger = (entry: LogEntry) => void;

/** Tells a logger, whatever it does: a log is no reason for a call, or the program, to fail. */
export function tell(logger: Logger | undefined, entry: LogEntry): void {
  void (async () => logger?.(entry))().catch(() => {});
}
