// alerts.js - what needs somebody, in sentences, the worst first.
import { t, number, span } from './words.js';
import { whyItWaits } from './late.js';

const LAG = 1000; // entries
const WARN_DAYS = 14;
const BAD_DAYS = 3;
const LATE_MS = 5000;

export function leaderOf(cluster) {
  return cluster.members.find((m) => m.up && m.status && m.status.role === 'leader');
}

/** Whose numbers are shown: the leader's, or without one those of whoever has applied most. */
export function speakerOf(cluster) {
  const up = cluster.members.filter((m) => m.up && m.status);
  return leaderOf(cluster) ?? up.reduce((best, m) => (best && best.status.applied >= m.status.applied ? best : m), undefined);
}

/** By how much a node's clock is ahead of what a majority agrees on. The leader hears all clocks, a follower its leader's alone. */
function aheadOf(m, leader) {
  const heard = leader?.status.clocks?.find((c) => c.id === m.id);
  return heard ? heard.ahead_ms : m.status.clock === 'outvoted' ? m.status.clock_ahead_ms : 0;
}

function aboutNode(m, leader, say) {
  const s = m.status;
  if (!m.up || !s) {
    say('bad', t('down', m.id));
    return;
  }
  if (m.member === 'lost-data') say('bad', t('lostdata', m.id));
  if (leader && leader.status.commit - s.applied > LAG) say('warn', t('lag', m.id, number(leader.status.commit - s.applied)));
  const ahead = aheadOf(m, leader);
  if (ahead !== 0) say('bad', t(ahead > 0 ? 'clockahead' : 'clockbehind', m.id, span(Math.abs(ahead))));
  if (s.disk !== 'ok') say('bad', t('disk', m.id, s.disk));
  if (s.tls === 'insecure') say('warn', t('insecure', m.id));
  const days = s.tls_until_ms ? Math.floor((s.tls_until_ms - s.clock_ms) / 86400000) : Infinity;
  if (days < WARN_DAYS) say(days < BAD_DAYS ? 'bad' : 'warn', t('tls', m.id, days));
}

/** Is the next failure the one too many? */
function aboutMajority(cluster, leader, say) {
  const voters = cluster.members.filter((m) => m.member === 'voter');
  const up = voters.filter((m) => m.up).length;
  if (leader && up < voters.length && up - 1 <= voters.length / 2) say('bad', t('nospare', up, voters.length));
}

function aboutOrders(s, routes, say) {
  if (s.oldest_overdue_ms > LATE_MS) {
    say('bad', t('overdue', span(s.oldest_overdue_ms)), '#/orders?state=CLOSING');
    for (const live of s.routes ?? []) {
      if (live.route === '' || live.ready === 0) continue;
      const why = whyItWaits(routes.find((r) => r.name === live.route), live);
      say('bad', t('waits', live.route, number(live.ready), why), '#/routes');
    }
  }
  if (s.dead > 0) say('warn', t('deadones', number(s.dead)), '#/dead');
  if (s.authorisation === 'off') say('warn', t('authoff'));
}

/** [class, sentence, where more of it is or undefined] */
export function alerts(cluster, routes) {
  const found = [];
  const say = (cls, text, where) => found.push([cls, text, where]);
  const leader = leaderOf(cluster);
  const speaker = speakerOf(cluster);
  if (!leader) say('bad', t('noleader'));
  else if (leader.status.time_known === false) say('bad', t('notime'));
  if (leader?.status.clock === 'disagreed') say('bad', t('clocksapart'));
  aboutMajority(cluster, leader, say);
  for (const m of cluster.members) aboutNode(m, leader, say);
  if (speaker) aboutOrders(speaker.status, routes, say);
  for (const r of routes) if (r.paused) say('warn', t('paused', r.name), '#/routes');
  return found.sort((a, b) => (a[0] === 'bad' ? 0 : 1) - (b[0] === 'bad' ? 0 : 1));
}
