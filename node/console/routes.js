// routes.js - each route: what it does now, and why it is late.
import { el, table, ask, say, visible } from './dom.js';
import { get, post, path } from './api.js';
import { leaderOf } from './alerts.js';
import { lateness, whyLate } from './late.js';
import { t, number } from './words.js';

/** Deliveries under way, and how many there may be: fewer than the route's window while its receiver is overloaded. */
function inFlight(route, live) {
  const window = live?.window ?? route.window;
  return t(window < route.window ? 'ofcut' : 'of', number(live?.deliveries), number(window), number(route.window));
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
    // What is looked for first stands first: a phone shows no more of a row.
    return [el('h2', { text: t('routes') }), table(t('routes'), [
      [t('route'), (r) => [el('strong', { text: r.name }), el('div', { class: 'quiet', text: r.kind || 'http' }), r.paused ? el('div', { class: 'warn', text: t('pausedword') }) : null]],
      [t('why'), (r) => whyLate(r, live.get(r.name)), 'why'],
      [t('actions'), (r) => el('div', { class: 'buttons' }, r.paused ? button(r, 'resume', 'sureresume', 'act') : button(r, 'pause', 'surepause', 'danger'), button(r, 'retry', 'sureretry'),
        (r.kind || 'http') === 'http' ? button(r, 'rotate', 'surerotate') : null)],
      [t('ready'), (r) => number(live.get(r.name)?.ready), 'n'],
      [t('inflight'), (r) => inFlight(r, live.get(r.name)), 'n'],
      [`${t('lateness')} ${t('p50')} / ${t('p99')}`, (r) => lateness(live.get(r.name)), 'n'],
      [t('orders'), (r) => number(r.orders), 'n'],
      [t('url'), (r) => visible(r.url || (r.command ? r.command[0] : '')), 'id'],
    ], routes, t('none'))];
  },
};
