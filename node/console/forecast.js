// forecast.js - what will be due: orders by the minute of their deadline, for the next hour, as a picture and as a table.
import { el, table, plot } from './dom.js';
import { t, number, minute } from './words.js';

const MINUTE_MS = 60000;
let asTable = false; // it was opened, and stays so while the view is drawn anew

const perSecond = (n) => number(n < 600 ? Math.round(n / 6) / 10 : Math.round(n / 60));
/** [when the minute begins, orders] */
const minutesOf = (status) => status.forecast.map((n, i) => [status.forecast_from_ms + i * MINUTE_MS, n]);
const inWords = ([from, n]) => t('dueminute', minute(from), number(n), perSecond(n));

/** Of any node: what is coming is known to all of them. */
export function forecast(status) {
  const minutes = minutesOf(status);
  const sum = minutes.reduce((all, [, n]) => all + n, 0);
  const most = minutes.reduce((a, b) => (b[1] > a[1] ? b : a));
  const words = sum === 0 ? t('duenone') : `${t('duesum', number(sum))} ${t('duemost', inWords(most))}`;
  const details = el('details', { open: asTable, on: { toggle: () => { asTable = details.open; } } },
    el('summary', { text: t('astable') }),
    table(t('duenext'), [
      [t('minute'), ([from]) => minute(from)],
      [t('orders'), ([, n]) => number(n), 'n'],
      [t('persecond'), ([, n]) => perSecond(n), 'n'],
    ], minutes.filter(([, n]) => n > 0), t('duenone')));
  return [el('h2', { text: t('duenext') }), el('p', { text: words }),
    plot(minutes.map(([, n]) => n), `${t('duenext')}: ${words}`,
      { left: minute(minutes[0][0]), right: minute(minutes[minutes.length - 1][0] + MINUTE_MS), unit: t('aminute'), titles: minutes.map(inWords) }),
    details];
}
