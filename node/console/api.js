// api.js - asking the node that served this page. The token is in memory only, and gone with the page.

let token = '';
let node = '';
export function setToken(text) { token = text.trim(); }
export function hasToken() { return token !== ''; }
/** The number of the node that answered last. */
export function nodeAsked() { return node; }

/** What a node refused: a problem of RFC 9457, or that it did not answer. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || String(status));
    this.status = status;
    this.problem = problem;
  }
}

export async function call(method, path, body, headers = {}) {
  const options = { method, headers: { Accept: 'application/json', ...headers }, cache: 'no-store', credentials: 'omit',
    redirect: 'error', signal: AbortSignal.timeout(method === 'GET' ? 8000 : 30000) };
  if (token !== '') options.headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) {
    options.headers['Content-Type'] = 'application/json';
    options.body = JSON.stringify(body);
  }
  let answer, text;
  try {
    answer = await fetch(path, options);
    text = await answer.text();
  } catch (e) {
    throw new Refused(0, { detail: '', error: 'UNREACHABLE', class: method === 'GET' ? 'definite' : 'unknown' });
  }
  node = answer.headers.get('Orderschedd-Node') ?? node;
  let given = null;
  try { given = text === '' ? null : JSON.parse(text); } catch { given = null; }
  if (!answer.ok) throw new Refused(answer.status, given || { title: answer.statusText });
  return given;
}

/** Those that a filter can name, from the last look at the cluster or, where there was none yet, asked for now. */
export async function routesOf(state) {
  if (state.routes.length === 0) await get('/v1/routes').then((a) => { state.routes = a.routes; }, () => {});
  return state.routes;
}
export const get = (path) => call('GET', path);
/** A key for a change, so that a repetition has no second effect. */
export function post(path, body = {}) {
  return call('POST', path, body, { 'Idempotency-Key': crypto.randomUUID ? crypto.randomUUID() : key() });
}
function key() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, '0')).join('');
}
/** A path of segments, each as it has to stand there. */
export function path(...segments) {
  return '/' + segments.map((s) => encodeURIComponent(s).replace(/[!'()*]/g, (c) => '%' + c.charCodeAt(0).toString(16).toUpperCase())).join('/');
}
/** Where an order is: ids that are no text come with the form that stands in a path. */
export function orderPath(order, ...more) {
  const base = order.id !== undefined ? path('v1', 'orders', order.id) : `/v1/orders/${order.id_url}`;
  return more.length === 0 ? base : `${base}/${more.join('/')}`;
}
