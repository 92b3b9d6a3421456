// late.js - why what is due on a route waits, in words.
import { t, number } from './words.js';

const SLOW_US = 1000000;
const ms = (us) => number(us < 10000 ? Math.round(us / 100) / 10 : Math.round(us / 1000));

/** What holds it up now: null, if nothing waits there. `live` is the leader's row about the route. */
export function whyItWaits(route, live) {
  if (route?.paused) return t('late_paused');
  if (!live || live.ready === 0) return null;
  if (live.silent_ms > 0) return t('late_silence', Math.ceil(live.silent_ms / 1000));
  // The leader halves the window when the receiver is overloaded, or does not answer: the window is not the cause.
  if (route?.window > live.window) return t('late_cut', number(live.window), number(route.window));
  if (live.deliveries >= live.window) return t('late_window');
  return t('late_queue', number(live.ready));
}

/** The same, or what made deliveries late since the leader's start. */
export function whyLate(route, live) {
  const now = whyItWaits(route, live);
  if (now !== null) return now;
  const { callback, queue, total } = live?.lateness ?? { total: { p99_us: 0 } };
  if (total.p99_us <= SLOW_US) return t('late_not');
  if (callback.p99_us > total.p99_us / 2) return t('late_callback', ms(callback.p99_us));
  return t('late_queued', ms(queue.p99_us));
}

export const lateness = (live) => (live ? `${ms(live.lateness.total.p50_us)} / ${ms(live.lateness.total.p99_us)} ms` : '');
