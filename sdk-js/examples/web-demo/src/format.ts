const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** Bytes in decimal units, as bandwidth limits are counted: 1_500_000 is `1.5 MB`. */
export function bytes(count: number): string {
  let power = 0;
  while (count >= 999.95 && power < units.length - 1) {
    count /= 1000;
    power++;
  }
  return `${power === 0 ? count : count.toFixed(1)} ${units[power]}`;
}

/** A time of the API (RFC 3339) in the reader's own time zone. */
export const moment = (time: string): string => new Date(time).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });

/** How long ago a time was, as of `now` (milliseconds): `5 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function since(time: string, now: number): string {
  const seconds = Math.max(0, Math.floor((now - Date.parse(time)) / 1000));
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (seconds < 60) return `${seconds} s`;
  if (minutes < 60) return `${minutes} min`;
  return hours < 24 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
