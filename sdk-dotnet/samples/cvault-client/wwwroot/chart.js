import { setText, svg } from './dom.js';
import { rate } from './format.js';

const SECONDS = 60;
const WIDTH = 600;
const HEIGHT = 150;
const LEAST = 1000; // bytes a second at the top, so that keepalives alone draw no mountains

/**
 * The last minute's bandwidth. `add(seconds, rx, tx)` takes the tunnel's counters as they stand; a counter that shrank
 * belongs to another tunnel and starts anew.
 */
export function bandwidthChart() {
  const title = svg('title', { id: 'chart-title' });
  const down = svg('path', { class: 'down' });
  const downArea = svg('path', { class: 'down-area' });
  const up = svg('path', { class: 'up' });
  const element = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-labelledby': 'chart-title', class: 'chart', preserveAspectRatio: 'none' },
    title,
    ...[0.02, 0.5, 0.98].map((y) => svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * y, y2: HEIGHT * y })),
    downArea, down, up);
  let last = null;
  let points = [];

  function draw() {
    const now = points.at(-1)?.at ?? 0;
    const peak = Math.max(LEAST, ...points.map((p) => Math.max(p.rx, p.tx)));
    const x = (p) => (WIDTH * (1 - (now - p.at) / SECONDS)).toFixed(1);
    const y = (value) => (HEIGHT * (0.98 - 0.96 * (value / peak))).toFixed(1);
    const line = (value) => points.map((p, i) => `${i ? 'L' : 'M'}${x(p)} ${y(value(p))}`).join('');
    const rx = line((p) => p.rx);
    down.setAttribute('d', rx);
    downArea.setAttribute('d', points.length > 1 ? `${rx}L${x(points.at(-1))} ${y(0)}L${x(points[0])} ${y(0)}Z` : '');
    up.setAttribute('d', line((p) => p.tx));
    return peak;
  }

  return {
    element,
    /** @returns {{rx: number, tx: number, peak: number}} bytes a second now, and the top of the chart */
    add(seconds, rx, tx) {
      const next = { at: seconds, rx, tx };
      if (last && seconds > last.at && rx >= last.rx && tx >= last.tx) {
        const span = seconds - last.at;
        points.push({ at: seconds, rx: (rx - last.rx) / span, tx: (tx - last.tx) / span });
        points = points.filter((p) => p.at > seconds - SECONDS - 2);
      } else if (!last || seconds > last.at) {
        points = [{ at: seconds, rx: 0, tx: 0 }];
      } else {
        return null;
      }
      last = next;
      const peak = draw();
      const now = points.at(-1);
      setText(title, `Bandwidth of the last minute. Now ${rate(now.rx)} received, ${rate(now.tx)} sent.`);
      return { ...now, peak };
    },
    clear() {
      last = null;
      points = [];
      draw();
      setText(title, 'Bandwidth of the last minute. Not connected.');
    },
  };
}
