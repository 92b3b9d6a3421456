// console.js - the page: which view is open, what it last knew, and when it was that.
import { el, ask, say } from './dom.js';
import { get, setToken, hasToken, nodeAsked } from './api.js';
import { t, changeLanguage, languageNow } from './words.js';
import { leaderOf } from './alerts.js';
import { view as overview, keep } from './overview.js';
import { view as orders } from './orders.js';
import { view as routes } from './routes.js';
import { view as dead } from './dead.js';
import { view as members } from './members.js';
import { view as audit } from './audit.js';

const EVERY_MS = 2000;
const views = [overview, orders, routes, dead, members, audit];
// `cut`: the node does not answer; `denied`: it does, but not to whoever asks.
const state = { cluster: null, routes: [], at: 0, node: '', cut: false, denied: '', failed };
let turn = 0; // of the view that is shown: an answer that comes late is of an earlier one
let shown = ''; // the place that is shown

function here() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return [views.find((v) => v.name === name) || overview, rest];
}

/** A link may say what a view is to look for: #/orders?state=CLOSING. It is taken once; from then on its form has it. */
function takeFilter() {
  const [place, words] = location.hash.split('?');
  if (words === undefined) return;
  history.replaceState(null, '', place);
  here()[0].filter?.(state, Object.fromEntries(new URLSearchParams(words)));
}

const isDenied = (e) => e.status === 401 || e.status === 403;
const isSilent = (e) => e.status === 0 || e.status >= 500;
const sentence = (e) => (e.status === undefined ? String(e) : isDenied(e) ? t('denied', e.message) : e.status === 0 ? t('never') : e.message);

function failed(e) {
  say(e.problem?.class === 'unknown' ? t('unknown') : sentence(e));
}

let pressed = false; // what is replaced between press and release is not clicked
addEventListener('pointerdown', () => { pressed = true; }, true);
for (const end of ['pointerup', 'pointercancel']) addEventListener(end, () => setTimeout(() => { pressed = false; }), true);

function busy() { // somebody presses, types, chooses or marks: it is not taken away under their hands
  const main = document.getElementById('main');
  const at = document.activeElement;
  const marked = getSelection();
  return pressed || document.querySelector('dialog') !== null || (main.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName)) ||
    (marked && !marked.isCollapsed && main.contains(marked.anchorNode));
}

function refusal(text) {
  return el('p', { class: 'bad', role: 'alert', text });
}

/** Draws the view. With `again` it is the one that is there already, and stays if there is nothing newer. */
async function show(again = false) {
  const mine = ++turn;
  takeFilter();
  const place = location.hash;
  const [view, rest] = here();
  frame(view);
  let content;
  try {
    if (view.ofCluster && !state.cluster) {
      content = [state.denied ? refusal(`${t('denied', state.denied)} ${t('askfortoken')}`)
        : el('p', { class: 'quiet', text: state.cut ? t('never') : t('asking') })];
    } else {
      const data = view.load ? await view.load(state, rest) : null;
      if (mine !== turn) return;
      content = view.render(state, data, show).filter(Boolean);
    }
  } catch (e) {
    if (mine !== turn || (again && shown === place && e.status !== undefined && isSilent(e))) return;
    content = [refusal(sentence(e))];
  }
  if (again && shown === place && busy()) return; // since it was asked for
  replace(content, place === shown);
  shown = place;
}

// What marks an element from one drawing to the next.
const markOf = (n) => `${n.tagName} ${n.getAttribute('aria-label') ?? n.getAttribute('name') ?? n.getAttribute('href') ?? n.textContent}`;

/** The keyboard's place, and how far wide tables were scrolled, stay. */
function replace(content, same) {
  const main = document.getElementById('main');
  const inside = main.contains(document.activeElement) && document.activeElement !== main;
  const mark = inside ? markOf(document.activeElement) : '';
  const scrolled = same ? [...main.querySelectorAll('.wide')].map((n) => n.scrollLeft) : [];
  main.replaceChildren(...content);
  main.querySelectorAll('.wide').forEach((n, i) => { n.scrollLeft = scrolled[i] ?? 0; });
  if (inside) ([...main.querySelectorAll('a, button, input, select, summary')].find((n) => markOf(n) === mark) ?? main).focus();
}

function frame(view) {
  document.documentElement.lang = languageNow() === 'zh' ? 'zh-CN' : 'en';
  document.title = `${t(view.name)} · orderschedd`;
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text);
  const nav = document.getElementById('nav');
  const inside = nav.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
  nav.setAttribute('aria-label', t('views'));
  nav.replaceChildren(...views.map((v) => el('a', { href: `#/${v.name}`, 'aria-current': v === view ? 'page' : null, text: t(v.name) })));
  if (inside) [...nav.children].find((a) => a.getAttribute('href') === inside)?.focus();
  const other = document.getElementById('language');
  other.textContent = languageNow() === 'en' ? '中文' : 'English';
  other.lang = languageNow() === 'en' ? 'zh' : 'en';
  link();
}

function link() {
  const line = document.getElementById('link');
  const seconds = Math.round((performance.now() - state.at) / 1000);
  document.getElementById('cluster').textContent = state.cluster?.members.find((m) => m.status)?.status.cluster ?? '';
  const text = state.cut ? (state.at === 0 ? t('never') : t('old', state.node, seconds))
    : state.denied ? t('denied', state.denied) : state.at === 0 ? t('asking') : t('live', state.node);
  if (line.textContent !== text) line.textContent = text;
  line.className = state.cut || state.denied ? 'cut' : '';
}

let next;
/** Asks for what every view needs, now and then every two seconds. */
async function look() {
  clearTimeout(next);
  const before = [state.cut, state.denied].join();
  try {
    state.cluster = await get('/v1/cluster');
    state.node = nodeAsked();
    state.at = performance.now();
    state.cut = false;
    state.denied = '';
    keep(state.cluster);
    link();
    // Without a leader an answer takes seconds, and is none.
    if (leaderOf(state.cluster)) await get('/v1/routes').then((a) => { state.routes = a.routes; }, () => {});
  } catch (e) {
    state.cut = !isDenied(e);
    state.denied = isDenied(e) ? e.message : '';
    if (isDenied(e)) state.cluster = null;
  }
  link();
  const [view, rest] = here();
  const changed = before !== [state.cut, state.denied].join();
  if ((changed || view.poll?.(rest)) && !busy() && !document.hidden) await show(true);
  clearTimeout(next);
  next = setTimeout(look, EVERY_MS);
}

document.querySelector('.skip').addEventListener('click', (e) => { // its place is not a view's name
  e.preventDefault();
  document.getElementById('main').focus();
});
document.getElementById('language').addEventListener('click', () => { changeLanguage(); show(); });
document.getElementById('token').addEventListener('click', async () => {
  const field = el('input', { name: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', 'aria-label': t('token') });
  const given = await ask(t('token'), el('div', {}, el('p', { text: t('asktoken') }), field), t('use'), t('leave'),
    { other: hasToken() && t('forget') });
  if (given === null) return;
  setToken(given.choice === 'yes' ? given.token : '');
  await show();
  await look();
});
addEventListener('hashchange', () => { show().then(() => document.getElementById('main').focus()); });
show();
look();
