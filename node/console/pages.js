// pages.js - lists that are gone through: a page may be empty though more follows, as a node looks at some orders a time.
import { el, say } from './dom.js';
import { t } from './words.js';

const AT_ONCE_MS = 4000; // then it is shown how far it came
const QUIET_MS = 700;

/** Pages by ask(cursor, how many) until there are `wanted` rows, no more pages, or it takes too long: { rows, cursor }.
 *  `from` is where it goes on, and what was found before, where that was too little for a page. */
export async function gather(wanted, from, ask) {
  const rows = [...(from.kept ?? [])];
  let { cursor } = from;
  const begun = performance.now();
  let spoken = false;
  do {
    let page;
    try {
      page = await ask(cursor, wanted - rows.length);
    } catch (e) {
      if (!cursor) throw e;
      say(e.message || t('never')); // it can go on from here
      break;
    }
    rows.push(...page.rows);
    cursor = page.cursor;
    if (cursor && rows.length < wanted && !spoken && performance.now() - begun > QUIET_MS) {
      say(t('searching'));
      spoken = true;
    }
  } while (cursor && rows.length < wanted && performance.now() - begun < AT_ONCE_MS);
  return { rows, cursor };
}

/** What stands in an empty list: not all may have been looked at. */
export const noneOf = (found) => t(found.cursor ? 'noneyet' : 'none');

/** The button that goes on, if there is more; open() is told from where. */
export function moreOf(found, wanted, open) {
  if (!found.cursor) return null;
  const full = found.rows.length >= wanted;
  const button = el('button', { type: 'button', text: t(full ? 'more' : 'goon'), on: { click: () => {
    button.disabled = true;
    open({ cursor: found.cursor, kept: full ? undefined : found.rows });
  } } });
  return el('p', {}, button);
}
