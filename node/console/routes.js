// routes.js - each route: what it does now, and why it is late.
import { el, table, ask, say, visible } from './dom.js';
import { get, post, path } from './api.js';
import { leaderOf } from './overview.js';
import { t, number } from './words.js';

const ms = (us) => (us / 1000 < 10 ? (us / 1000).toFixed(1) : String(Math.round(us / 1000)));

/** Where most of the time goes, in words. */
export function whyLate(route, live) {
  if (route.paused) return t('late_paused');
  if (!live) return t('late_not');
  const { callback, queue, timer, total } = live.lateness;
  if (live.silent_ms > 0) return t('late_silence', Math.ceil(live.silent_ms / 1000));
  if (live.ready > 0 && live.deliveries >= live.window) return t('late_window');
  if (live.ready > 0) return t('late_queue', number(live.ready));
  if (total.p99_us > 1000000 && callback.p99_us > total.p99_us / 2) return t('late_callback', ms(callback.p99_us));
  if (total.p99_us > 1000000 && queue.p99_us > timer.p99_us) return t('late_window');
  return t('late_not');
}

export const view = {
  name: 'routes',
  poll: () => true,
  async load() { return (await get('/v1/routes')).routes; },
  render(state, routes, again) {
    const leader = state.cluster && leaderOf(state.cluster);
    const live = new Map(((leader && leader.status.routes) || []).map((r) => [r.route, r]));
    const act = async (route, verb, sure) => {
      if (await ask(`${t(verb)}: ${route.name}`, el('p', { text: t(sure, route.name) }), t(verb), t('leave'), { danger: verb === 'pause' }) === null) return;
      try {
        const answer = await post(path('v1', 'routes', route.name, verb));
        const made = answer && (answer.secret || (answer.secrets && answer.secrets[0]));
        if (verb === 'rotate' && made) await ask(t('secret'), el('pre', { text: made }), t('close'));
        say(t('done'));
      } catch (e) { state.failed(e); }
      again();
    };
    const button = (route, verb, sure, cls) => el('button', { type: 'button', class: cls, text: t(verb), 'aria-label': `${t(verb)} ${route.name}`, on: { click: () => act(route, verb, sure) } });
    return [el('h2', { text: t('routes') }), table(t('routes'), [
      [t('route'), (r) => [el('strong', { text: r.name }), r.paused ? el('div', { class: 'warn', text: t('pausedword') }) : null]],
      [t('kind'), (r) => r.kind || 'http'],
      [t('url'), (r) => visible(r.url || (r.command ? r.command[0] : '')), 'id'],
      [t('orders'), (r) => number(r.orders), 'n'],
      [t('inflight'), (r) => number(live.get(r.name)?.deliveries), 'n'],
      [t('ready'), (r) => number(live.get(r.name)?.ready), 'n'],
      [t('window'), (r) => number(live.get(r.name)?.window ?? r.window), 'n'],
      [`${t('lateness')} ${t('p50')} / ${t('p99')}`, (r) => (live.has(r.name) ? `${ms(live.get(r.name).lateness.total.p50_us)} / ${ms(live.get(r.name).lateness.total.p99_us)} ms` : ''), 'n'],
      [t('why'), (r) => whyLate(r, live.get(r.name))],
      [t('actions'), (r) => [r.paused ? button(r, 'resume', 'sureresume', 'act') : button(r, 'pause', 'surepause', 'danger'), ' ', button(r, 'retry', 'sureretry'), ' ',
        (r.kind || 'http') === 'http' ? button(r, 'rotate', 'surerotate') : null]],
    ], routes, t('none'))];
  },
};
