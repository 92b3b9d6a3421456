// overview.js - the cluster at a glance: who leads, what needs attention, what is decided, what is coming, how late.
import { el, table, plot } from './dom.js';
import { alerts, leaderOf, speakerOf } from './alerts.js';
import { forecast } from './forecast.js';
import { t, number, moment, span } from './words.js';

const KEPT = 150; // of the looks at the cluster
const FRESH_MS = 6000;

/** What was seen, one each look, for the pictures. */
const seen = [];
export function keep(cluster) {
  const leader = leaderOf(cluster);
  if (!leader) return;
  const s = leader.status;
  const last = seen[seen.length - 1];
  const at = performance.now();
  const perSecond = (now, before) => Math.max(0, (now - before) * 1000 / (at - last.at));
  const all = (s.routes || []).find((r) => r.route === '');
  seen.push({
    at, id: leader.id, commit: s.commit, became: s.became_due,
    rate: last ? perSecond(s.commit, last.commit) : 0,
    due: last && last.id === leader.id ? perSecond(s.became_due, last.became) : 0, // each node counts for itself
    waits: s.oldest_overdue_ms / 1000,
    late: all ? all.lateness.total.p90_us / 1000 : 0,
  });
  if (seen.length > KEPT) seen.shift();
}

const card = (label, value, cls) => el('div', { class: 'card' }, el('b', { class: cls, text: value }), el('span', { text: label }));

/** One of the figures that were seen, as it went. */
function lately(title, looks, of) {
  const values = looks.map(of);
  const ago = (x) => span(performance.now() - x.at);
  const last = looks[looks.length - 1];
  const newest = last === undefined ? '' : performance.now() - last.at < FRESH_MS ? t('now') : t('ago', ago(last));
  return el('section', {}, el('h2', { text: title }),
    plot(values, title, { left: looks.length > 1 ? t('ago', ago(looks[0])) : '',
      right: `${newest} ${number(Math.round((values[values.length - 1] ?? 0) * 10) / 10)}` }));
}

function pictures() {
  const leads = seen[seen.length - 1]?.id;
  return el('div', { class: 'pictures' },
    lately(t('duenow'), seen, (x) => x.due), lately(t('entries'), seen, (x) => x.rate),
    lately(t('waitsnow'), seen, (x) => x.waits),
    lately(t('latems', leads ?? ''), seen.filter((x) => x.id === leads), (x) => x.late)); // since that node's start
}

export const view = {
  name: 'overview',
  ofCluster: true,
  poll: () => true,
  render(state) {
    const cluster = state.cluster;
    const leader = leaderOf(cluster);
    const speaker = speakerOf(cluster);
    const s = speaker?.status;
    const warnings = alerts(cluster, state.routes);
    const count = (n) => (s ? number(n) : '–');
    return [
      el('h2', { text: t('alerts') }),
      warnings.length === 0 ? el('p', { class: 'good', text: t('fine') })
        : el('ul', { class: 'alerts' }, warnings.map(([cls, text, where]) => el('li', { class: cls }, where ? el('a', { href: where, text }) : text))),
      !leader && s && el('p', { class: 'warn', text: t('asof', speaker.id, moment(s.now_ms)) }),
      el('div', { class: 'cards' },
        card(t('leader'), leader ? String(leader.id) : '–', leader ? '' : 'bad'), card(t('term'), count(s?.term)),
        card(t('commit'), count(s?.commit)), card(t('time'), s?.time_ms ? moment(s.time_ms) : '–'),
        card(t('pending'), count(s?.pending)), card(t('closing'), count(s?.closing)), card(t('paid'), count(s?.paid)),
        card(t('cancelled'), count(s?.cancelled)), card(t('expired'), count(s?.expired)),
        card(t('deadn'), count(s?.dead), s?.dead > 0 ? 'warn' : '')),
      s?.forecast && forecast(s), // not there: a node of before
      pictures(),
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
