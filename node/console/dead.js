// dead.js - dead letters: filter, count, confirm, carry out, and see how far it is.
import { el, table, ask, say, visible } from './dom.js';
import { get, post, routesOf } from './api.js';
import { orderLink } from './orders.js';
import { gather, moreOf, noneOf } from './pages.js';
import { t, moment, number } from './words.js';

const SHOWN = 50;
const COUNTED = 16384; // by a request
const AT_ONCE = 256;

const reasonOf = (o) => o.reason ?? o.reason_base64 ?? '';
const matches = (o, filter) => !filter.reason || reasonOf(o).includes(filter.reason);

function page(filter) {
  return gather(SHOWN, filter, async (cursor, left) => {
    const given = new URLSearchParams({ limit: String(filter.reason ? SHOWN : left) });
    if (filter.route) given.set('route', filter.route);
    if (cursor) given.set('cursor', cursor);
    const answer = await get(`/v1/dead?${given}`);
    return { rows: answer.orders.filter((o) => matches(o, filter)), cursor: answer.cursor };
  });
}

/** What the API takes for a filter: without a reason, of any. */
function asked(filter, more) {
  const body = { ...more };
  if (filter.route) body.route = filter.route;
  if (filter.reason) body.reason_contains = filter.reason;
  return body;
}

async function count(filter) {
  let matched = 0;
  let cursor;
  do {
    const answer = await post('/v1/dead/redrive', asked(filter, { limit: COUNTED, dry_run: true, ...(cursor && { cursor }) }));
    matched += answer.matched;
    cursor = answer.cursor;
  } while (cursor);
  return matched;
}

/** As many as were counted and no more: what is redriven may be dead again at once. */
async function carryOut(filter, verb, wanted) {
  let done = 0;
  let matched = 0;
  let cursor;
  do {
    const limit = Math.min(AT_ONCE, wanted - matched);
    const answer = await post(`/v1/dead/${verb}`, asked(filter, { limit, ...(cursor && { cursor }) }));
    done += answer.done;
    matched += answer.matched;
    cursor = answer.cursor;
    say(t('progress', number(done), number(wanted), number(answer.failed.length)));
    if (answer.failed.length > 0) {
      const { problem } = answer.failed[0];
      say(`${t('progress', number(done), number(wanted), number(answer.failed.length))} ${problem.detail || problem.title}`);
      break;
    }
  } while (cursor && matched < wanted);
}

export const view = {
  name: 'dead',
  async load(state) {
    const filter = state.filter || {};
    const routes = await routesOf(state); // none where they may not be seen
    return { filter, page: await page(filter), routes };
  },
  render(state, { filter, page: found, routes }, again) {
    const form = el('form', { class: 'search', on: { submit: (e) => {
      e.preventDefault();
      state.filter = Object.fromEntries(new FormData(form));
      more?.remove(); // it would go on with what was looked for before
      again();
    } } },
    el('label', {}, t('route'), el('select', { name: 'route' },
      [['', t('any')], ...routes.map((r) => [r.name, r.name])].map(([v, text]) => el('option', { value: v, selected: filter.route === v, text })))),
    el('label', {}, t('reasonhas'), el('input', { name: 'reason', value: filter.reason || '', maxlength: 160, autocomplete: 'off' })),
    el('button', { class: 'act', text: t('search') }),
    el('button', { type: 'button', text: t('redrive'), on: { click: () => many('redrive', 'sureredrive') } }),
    el('button', { type: 'button', class: 'danger', text: t('drop'), on: { click: () => many('drop', 'suredrop') } }));

    // What matches is counted first, and shown; the node acts on it, and each is in the audit trail.
    async function many(verb, sure) {
      const chosen = Object.fromEntries(new FormData(form));
      state.filter = chosen;
      try {
        const wanted = await count(chosen);
        if (wanted === 0) {
          say(t('matched', number(0)));
          return;
        }
        const body = el('div', {}, el('p', { text: t('matched', number(wanted)) }), el('p', { text: t(sure, number(wanted)) }));
        if (await ask(t(verb), body, t('go'), t('leave'), { danger: true }) === null) return;
        await carryOut(chosen, verb, wanted);
      } catch (e) { state.failed(e); }
      again();
    }
    const more = moreOf(found, SHOWN, (from) => { state.filter = { ...filter, ...from }; again(); });
    return [el('h2', { text: t('dead') }), form, table(t('dead'), [
      [t('id'), orderLink, 'id'], [t('route'), (o) => o.route], [t('attempts'), (o) => number(o.attempts), 'n'],
      [t('since'), (o) => moment(o.died_ms)], [t('reason'), (o) => visible(reasonOf(o)), 'id'],
    ], found.rows, noneOf(found)), more];
  },
};
