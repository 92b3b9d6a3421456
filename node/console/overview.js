// overview.js - the cluster at a glance: who leads, what needs attention, what is decided, how late.
import { el, table, plot } from './dom.js';
import { forecast, forecastOf } from './forecast.js';
import { t, number, moment, span } from './words.js';

const LAG = 1000; // entries
const WARN_DAYS = 14;
const KEPT = 150; // of the looks at the cluster

/** What was seen, one each look, for the pictures. */
const seen = [];
export function keep(cluster) {
  const leader = leaderOf(cluster);
  if (!leader) return;
  const s = leader.status;
  const last = seen[seen.length - 1];
  const at = performance.now();
  const perSecond = (now, before) => Math.max(0, (now - before) * 1000 / (at - last.at));
  const rate = last ? perSecond(s.commit, last.commit) : 0;
  const due = last && last.id === leader.id ? perSecond(s.became_due, last.became) : 0; // each node counts for itself
  const all = (s.routes || []).find((r) => r.route === '');
  seen.push({ at, id: leader.id, commit: s.commit, became: s.became_due, rate, due, late: all ? all.lateness.total.p90_us / 1000 : 0 });
  if (seen.length > KEPT) seen.shift();
}

export function leaderOf(cluster) {
  return cluster.members.find((m) => m.up && m.status && m.status.role === 'leader');
}

/** Sentences about what needs somebody, the worst first: [class, sentence]. */
export function alerts(cluster, routes) {
  const found = [];
  const leader = leaderOf(cluster);
  if (!leader) found.push(['bad', t('noleader')]);
  for (const m of cluster.members) {
    const s = m.status;
    if (!m.up || !s) { found.push(['bad', t('down', m.id)]); continue; }
    if (leader && leader.status.commit - s.applied > LAG) found.push(['warn', t('lag', m.id, number(leader.status.commit - s.applied))]);
    if (['outvoted', 'disagreed'].includes(s.clock)) found.push(['bad', t('clock', m.id, s.clock)]);
    if (s.disk !== 'ok') found.push(['bad', t('disk', m.id, s.disk)]);
    if (s.tls === 'insecure') found.push(['warn', t('insecure', m.id)]);
    const days = s.tls_until_ms ? Math.floor((s.tls_until_ms - s.clock_ms) / 86400000) : Infinity;
    if (days < WARN_DAYS) found.push([days < 3 ? 'bad' : 'warn', t('tls', m.id, days)]);
  }
  if (leader) {
    const s = leader.status;
    if (s.oldest_overdue_ms > 5000) found.push(['bad', t('overdue', Math.round(s.oldest_overdue_ms / 1000))]);
    if (s.dead > 0) found.push(['warn', t('deadones', number(s.dead))]);
    if (s.authorisation === 'off') found.push(['warn', t('authoff')]);
  }
  for (const r of routes || []) if (r.paused) found.push(['warn', t('paused', r.name)]);
  return found.sort((a, b) => (a[0] === 'bad' ? 0 : 1) - (b[0] === 'bad' ? 0 : 1));
}

/** How long ago the first of what is shown was. */
const ago = () => (seen.length > 1 ? `-${span(seen[seen.length - 1].at - seen[0].at)}` : '');
/** One of the figures that were seen, as it went. */
function lately(name, of) {
  const values = seen.map(of);
  return [el('h2', { text: t(name) }),
    plot(values, t(name), { left: ago(), right: `${t('now')} ${number(Math.round((values[values.length - 1] ?? 0) * 10) / 10)}` })];
}
const card = (label, value, cls) => el('div', { class: 'card' }, el('b', { class: cls, text: value }), el('span', { text: label }));

export const view = {
  name: 'overview',
  ofCluster: true,
  poll: () => true,
  render(state) {
    const cluster = state.cluster;
    const leader = leaderOf(cluster);
    const s = leader ? leader.status : {};
    const coming = forecastOf(cluster, leader);
    const warnings = alerts(cluster, state.routes);
    return [
      el('h2', { text: t('alerts') }),
      warnings.length === 0 ? el('p', { class: 'good', text: t('fine') })
        : el('ul', { class: 'alerts' }, warnings.map(([cls, text]) => el('li', { class: cls, text }))),
      el('div', { class: 'cards' },
        card(t('leader'), leader ? String(leader.id) : '–', leader ? '' : 'bad'), card(t('term'), number(s.term)),
        card(t('commit'), number(s.commit)), card(t('time'), moment(s.time_ms)),
        card(t('pending'), number(s.pending)), card(t('closing'), number(s.closing)), card(t('paid'), number(s.paid)),
        card(t('cancelled'), number(s.cancelled)), card(t('expired'), number(s.expired)),
        card(t('deadn'), number(s.dead), s.dead > 0 ? 'warn' : '')),
      coming ? forecast(coming) : [],
      lately('duenow', (x) => x.due), lately('entries', (x) => x.rate), lately('latems', (x) => x.late),
      el('h2', { text: t('members') }), members(cluster, leader),
    ].flat();
  },
};

export function members(cluster, leader) {
  return table(t('members'), [
    [t('node'), (m) => m.id, 'n'],
    [t('address'), (m) => m.address],
    [t('role'), (m) => (m.up && m.status ? m.status.role : el('span', { class: 'bad', text: t('notup') }))],
    [t('behind'), (m) => (m.up && m.status && leader ? number(Math.max(0, leader.status.commit - m.status.applied)) : ''), 'n'],
    [t('clockcol'), (m) => (m.status ? m.status.clock : '')],
    [t('diskcol'), (m) => (m.status ? m.status.disk : '')],
    [t('memory'), (m) => (m.status ? `${number(Math.round(m.status.memory_bytes / 1048576))} MiB` : ''), 'n'],
    [t('version'), (m) => (m.status ? m.status.version : '')],
  ], cluster.members, t('none'));
}
