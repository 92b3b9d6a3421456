// audit.js - who changed what, the newest first.
import { el, table, visible } from './dom.js';
import { get } from './api.js';
import { t, moment, number } from './words.js';

const DAYS = 7;

export const view = {
  name: 'audit',
  async load() {
    const rows = [];
    let cursor = '';
    let more = true;
    const since = encodeURIComponent(new Date(Date.now() - DAYS * 86400000).toISOString());
    for (let i = 0; more && i < 40; i++) { // the trail holds 10,000
      const page = await get(`/v1/audit?since=${since}&limit=256${cursor !== '' ? `&cursor=${cursor}` : ''}`);
      rows.push(...page.rows);
      ({ cursor, more } = page);
    }
    return rows.reverse();
  },
  render(state, rows) {
    return [el('h2', { text: t('audit') }), table(t('audit'), [
      [t('time'), (r) => moment(r.time_ms)],
      [t('who'), (r) => r.who || r.kind],
      [t('from'), (r) => r.from],
      [t('what'), (r) => r.operation],
      [t('about'), (r) => visible(r.about ?? r.about_base64 ?? ''), 'id'],
      [t('result'), (r) => el('span', { class: r.result === 'OK' ? 'good' : 'warn', text: r.result })],
      [t('detail'), (r) => visible(r.detail || ''), 'id'],
      [t('count'), (r) => number(r.count), 'n'],
    ], rows.slice(0, 500), t('none'))];
  },
};
