// dead.js - dead letters: filter, count, confirm, carry out, and see how far it is.
import { el, table, ask, say } from './dom.js';
import { get, post, orderPath } from './api.js';
import { orderLink } from './orders.js';
import { t, moment, number } from './words.js';

const PAGE = 50;
const AT_ONCE = 100;

export const view = {
  name: 'dead',
  async load(state) {
    const filter = state.filter || {};
    const given = new URLSearchParams({ limit: String(PAGE) });
    if (filter.route) given.set('route', filter.route);
    if (filter.cursor) given.set('cursor', filter.cursor);
    return { filter, page: await get(`/v1/dead?${given}`) };
  },
  render(state, { filter, page }, again) {
    const form = el('form', { class: 'search', on: { submit: (e) => {
      e.preventDefault();
      state.filter = Object.fromEntries(new FormData(form));
      again();
    } } },
    el('label', {}, t('route'), el('select', { name: 'route' },
      [['', t('any')], ...(state.routes || []).map((r) => [r.name, r.name])].map(([v, text]) => el('option', { value: v, selected: filter.route === v, text })))),
    el('label', {}, t('reasonhas'), el('input', { name: 'reason', value: filter.reason || '', maxlength: 160, autocomplete: 'off' })),
    el('button', { class: 'act', text: t('search') }),
    el('button', { type: 'button', text: t('redrive'), on: { click: () => many('redrive', 'sureredrive') } }),
    el('button', { type: 'button', class: 'danger', text: t('drop'), on: { click: () => many('drop', 'suredrop') } }));

    // What matches is looked for first, and shown; only those are touched, one by one, and each is in the audit trail.
    async function many(verb, sure) {
      state.filter = Object.fromEntries(new FormData(form));
      const found = await matching(state.filter).catch(state.failed);
      if (!found) return;
      const body = [el('p', { text: t('matched', number(found.length)) }), el('p', { text: t(sure, number(found.length)) })];
      if (found.length === 0 || await ask(t(verb), el('div', {}, body), t('go'), t('leave'), true) === null) return;
      let done = 0, failed = 0;
      for (const order of found) {
        try { await post(orderPath(order, verb)); done++; } catch (e) { failed++; if (failed === 1) state.failed(e); }
        if ((done + failed) % AT_ONCE === 0 || done + failed === found.length) say(t('progress', number(done), number(found.length), number(failed)));
      }
      again();
    }
    const rows = filter.reason ? page.orders.filter((o) => (o.reason || '').includes(filter.reason)) : page.orders;
    const shown = [el('h2', { text: t('dead') }), form, table(t('dead'), [
      [t('id'), orderLink, 'id'], [t('route'), (o) => o.route], [t('attempts'), (o) => number(o.attempts), 'n'],
      [t('since'), (o) => moment(o.died_ms)], [t('reason'), (o) => o.reason || '', 'id'],
    ], rows, t('none'))];
    if (page.cursor) {
      shown.push(el('p', {}, el('button', { type: 'button', text: t('more'), on: { click: () => { state.filter = { ...filter, cursor: page.cursor }; again(); } } })));
    }
    return shown;
  },
};

async function matching(filter) {
  const found = [];
  let cursor = '';
  do {
    const given = new URLSearchParams({ limit: '256' });
    if (filter.route) given.set('route', filter.route);
    if (cursor) given.set('cursor', cursor);
    const page = await get(`/v1/dead?${given}`);
    found.push(...page.orders.filter((o) => !filter.reason || (o.reason || '').includes(filter.reason)));
    cursor = page.cursor;
  } while (cursor);
  return found;
}
