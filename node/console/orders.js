// orders.js - orders by id or prefix, state and route; one of them with all that happened to it.
import { el, table, ask, say, visible } from './dom.js';
import { get, post, orderPath, routesOf } from './api.js';
import { gather, moreOf, noneOf } from './pages.js';
import { speakerOf } from './alerts.js';
import { t, moment, span, number } from './words.js';

const STATES = ['PENDING', 'CLOSING', 'PAID', 'CANCELLED', 'EXPIRED', 'DEAD'];
const PAGE = 50;
/** As the API has it in a path, so that any id can be linked. */
const urlOf = (o) => (o.id !== undefined ? encodeURIComponent(o.id) : o.id_url);
const idOf = (o) => visible(o.id ?? o.id_url);

export function orderLink(o) {
  return el('a', { href: `#/orders/${urlOf(o)}`, text: idOf(o) });
}

function stateOf(s) {
  return el('span', { class: { DEAD: 'bad', CLOSING: 'warn', PAID: 'good' }[s], text: s });
}

function search(query) {
  return gather(PAGE, query, async (cursor, limit) => {
    const given = new URLSearchParams({ limit: String(limit) });
    for (const key of ['prefix', 'state', 'route']) if (query[key]) given.set(key, query[key]);
    if (cursor) given.set('cursor', cursor);
    const answer = await get(`/v1/orders?${given}`);
    return { rows: answer.orders, cursor: answer.cursor };
  });
}

export const view = {
  name: 'orders',
  poll: (rest) => rest.length > 0,
  filter(state, words) { state.query = words; },
  async load(state, rest) {
    if (rest.length > 0) {
      const path = `/v1/orders/${rest[0]}`;
      const [order, history] = await Promise.all([get(path), get(`${path}/history`)]);
      return { order, history };
    }
    const query = state.query || {};
    // One that bears the very id comes first: a list of a million is not gone through for it.
    let exact = null;
    if (query.prefix) exact = await get(`/v1/orders/${encodeURIComponent(query.prefix)}`).catch(() => null);
    const routes = await routesOf(state); // none where they may not be seen
    return { exact, page: await search(query), query, routes };
  },
  render(state, data, again) {
    return data.order ? one(state, data, again) : list(state, data, again);
  },
};

function list(state, data, again) {
  const { query } = data;
  const form = el('form', { class: 'search', role: 'search', on: { submit: (e) => {
    e.preventDefault();
    state.query = Object.fromEntries(new FormData(form));
    more?.remove(); // it would go on with what was looked for before
    again();
  } } },
  el('label', {}, t('prefix'), el('input', { name: 'prefix', value: query.prefix || '', maxlength: 128, autocomplete: 'off' })),
  el('label', {}, t('state'), el('select', { name: 'state' },
    [['', t('any')], ...STATES.map((s) => [s, s])].map(([v, text]) => el('option', { value: v, selected: query.state === v, text })))),
  el('label', {}, t('route'), el('select', { name: 'route' },
    [['', t('any')], ...data.routes.map((r) => [r.name, r.name])].map(([v, text]) => el('option', { value: v, selected: query.route === v, text })))),
  el('button', { class: 'act', text: t('search') }));
  const more = moreOf(data.page, PAGE, (from) => { state.query = { ...query, ...from }; again(); });
  let { rows } = data.page;
  if (data.exact) rows = [data.exact, ...rows.filter((o) => urlOf(o) !== urlOf(data.exact))];
  return [el('h2', { text: t('orders') }), form, table(t('orders'), [
    [t('id'), orderLink, 'id'],
    [t('state'), (o) => stateOf(o.state)],
    [t('route'), (o) => o.route],
    [t('deadline'), (o) => moment(o.deadline_ms)],
  ], rows, noneOf(data.page)), more];
}

function eventWords(e) {
  switch (e.kind) {
    case 'scheduled': return `${t('ev_scheduled')} → ${moment(e.deadline_ms)}`;
    case 'extended': return `${t('ev_extended')} → ${moment(e.deadline_ms)}`;
    case 'due': return t('ev_due');
    case 'attempt': case 'delivery': return `${t('ev_attempt', e.attempt)}: ${e.outcome} (${t('node')} ${e.node})`;
    case 'redriven': return t('ev_redriven');
    case 'decided': return `${t('ev_decided')}: ${e.state}`;
    default: return e.events_not_kept ? t('ev_gap', e.events_not_kept) : e.kind;
  }
}

/** Until the deadline, or, of one that is due, since then. Nothing is left of one that is decided. */
function left(o, now) {
  if (o.state === 'CLOSING' && now > o.deadline_ms) return el('span', { class: 'warn', text: t('duefor', span(now - o.deadline_ms)) });
  return o.state === 'PENDING' ? span(o.remaining_ms) : '';
}

function nextAttempt(o, now) {
  if (o.state !== 'CLOSING') return '';
  return o.next_attempt_ms > now ? moment(o.next_attempt_ms) : t('nextplace');
}

function one(state, { order, history }, again) {
  const now = (state.cluster && speakerOf(state.cluster)?.status.time_ms) || Date.now();
  const act = async (verb, sure) => {
    if (await ask(t(verb), el('p', { text: t(sure, idOf(order)) }), t(verb), t('leave'), { danger: verb !== 'pay' }) === null) return;
    await post(orderPath(order, verb)).then(() => say(t('done')), state.failed);
    again();
  };
  const open = order.state === 'PENDING';
  const dead = order.state === 'DEAD';
  const payload = order.payload !== undefined ? JSON.stringify(order.payload, null, 2) : order.payload_text ?? order.payload_base64 ?? '';
  return [
    el('h2', { class: 'id', text: idOf(order) }),
    table(t('orders'), [[t('state'), (o) => stateOf(o.state)], [t('route'), (o) => o.route],
      [t('deadline'), (o) => moment(o.deadline_ms)], [t('remaining'), (o) => left(o, now), 'n'],
      [t('attempts'), (o) => number(o.attempts), 'n'], [t('next'), (o) => nextAttempt(o, now)]], [order], ''),
    el('p', {},
      open && el('button', { type: 'button', class: 'act', text: t('pay'), on: { click: () => act('pay', 'surepay') } }), ' ',
      open && el('button', { type: 'button', class: 'danger', text: t('cancel'), on: { click: () => act('cancel', 'surecancel') } }),
      dead && el('button', { type: 'button', class: 'act', text: t('redrive'), on: { click: () => act('redrive', 'sureredriveone') } }), ' ',
      dead && el('button', { type: 'button', class: 'danger', text: t('drop'), on: { click: () => act('drop', 'suredropone') } })),
    (history.reason ?? history.reason_base64) &&
      el('p', { class: 'bad id', text: `${t('whyfailed')}: ${visible(history.reason ?? history.reason_base64)}` }),
    el('h3', { text: t('history') }),
    el('ol', { class: 'time' }, history.events.map((e) => el('li', { class: ['failed', 'batch_failed'].includes(e.outcome) ? 'bad-one' : undefined },
      el('span', { class: 'quiet', text: `${moment(e.time_ms)} ` }), eventWords(e),
      (e.reason ?? e.reason_base64) && el('div', { class: 'quiet id', text: visible(e.reason ?? e.reason_base64) })))),
    payload !== '' && el('h3', { text: t('payload') }),
    payload !== '' && el('pre', { text: visible(payload) }),
  ].filter(Boolean);
}
