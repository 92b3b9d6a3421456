// console.js - the page: which view is open, what it last knew, and when it was that.
import { el, ask, say } from './dom.js';
import { get, setToken, hasToken } from './api.js';
import { t, changeLanguage, languageNow } from './words.js';
import { view as overview, keep } from './overview.js';
import { view as orders } from './orders.js';
import { view as routes } from './routes.js';
import { view as dead } from './dead.js';
import { view as members } from './members.js';
import { view as audit } from './audit.js';

const EVERY_MS = 2000;
const views = [overview, orders, routes, dead, members, audit];
const state = { cluster: null, routes: [], at: 0, node: '', cut: false, failed };
let turn = 0; // of the view that is shown: an answer that comes late is of an earlier one

function here() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return [views.find((v) => v.name === name) || overview, rest];
}

function failed(e) {
  const p = e.problem || {};
  if (e.status === 401 || e.status === 403) say(t('denied', e.message));
  else if (p.class === 'unknown') say(t('unknown'));
  else say(e.message || t('never'));
}

function busy() { // somebody types or chooses: it is not taken away under their hands
  const main = document.getElementById('main');
  const at = document.activeElement;
  return document.querySelector('dialog') !== null || (main.contains(at) && /^(INPUT|SELECT|TEXTAREA)$/.test(at.tagName));
}

async function show() {
  const mine = ++turn;
  const [view, rest] = here();
  frame(view);
  const main = document.getElementById('main');
  try {
    const data = view.load ? await view.load(state, rest) : null;
    if (mine !== turn) return;
    const focused = main.contains(document.activeElement) ? document.activeElement.getAttribute('aria-label') : null;
    main.replaceChildren(...view.render(state, data, show).filter(Boolean));
    if (focused) [...main.querySelectorAll('[aria-label]')].find((n) => n.getAttribute('aria-label') === focused)?.focus();
  } catch (e) {
    if (mine !== turn) return;
    main.replaceChildren(el('p', { class: 'bad', role: 'alert', text: e.status === undefined ? String(e) : (e.message || t('never')) }));
  }
}

function frame(view) {
  document.documentElement.lang = languageNow() === 'zh' ? 'zh-CN' : 'en';
  document.title = `${t(view.name)} · orderschedd`;
  for (const node of document.querySelectorAll('[data-text]')) node.textContent = t(node.dataset.text);
  const nav = document.getElementById('nav');
  nav.setAttribute('aria-label', t('views'));
  const focused = nav.contains(document.activeElement);
  nav.replaceChildren(...views.map((v) => el('a', { href: `#/${v.name}`, 'aria-current': v === view ? 'page' : null, text: t(v.name) })));
  if (focused) nav.querySelector('[aria-current]')?.focus();
  const other = document.getElementById('language');
  other.textContent = languageNow() === 'en' ? '中文' : 'English';
  other.lang = languageNow() === 'en' ? 'zh' : 'en';
  link();
}

function link() {
  const line = document.getElementById('link');
  document.getElementById('cluster').textContent = state.cluster?.cluster || state.cluster?.members.find((m) => m.status)?.status.cluster || '';
  const text = state.at === 0 ? (state.cut ? t('never') : '')
    : state.cut ? t('old', state.node, Math.round((performance.now() - state.at) / 1000)) : t('live', state.node);
  if (line.textContent !== text) line.textContent = text;
  line.className = state.cut ? 'cut' : '';
}

async function look() {
  try {
    const cluster = await get('/v1/cluster');
    state.cluster = cluster;
    state.node = cluster.node ?? '';
    state.at = performance.now();
    state.cut = false;
    keep(cluster);
    await get('/v1/routes').then((a) => { state.routes = a.routes; }, () => {});
  } catch (e) {
    state.cut = e.status === 0 || e.status >= 500;
    if (!state.cut && state.at === 0) failed(e);
  }
  link();
  const [view] = here();
  if (view.poll && !busy() && !document.hidden) await show();
  setTimeout(look, EVERY_MS);
}

document.getElementById('language').addEventListener('click', () => { changeLanguage(); show(); });
document.getElementById('token').addEventListener('click', async () => {
  const field = el('input', { name: 'token', type: 'password', autocomplete: 'off', spellcheck: 'false', 'aria-label': t('token') });
  const given = await ask(t('token'), el('div', {}, el('p', { text: t('asktoken') }), field), t('use'), hasToken() ? t('forget') : t('leave'));
  setToken(given ? given.token : '');
  show();
});
addEventListener('hashchange', () => { show().then(() => document.getElementById('main').focus()); });
show();
look();
