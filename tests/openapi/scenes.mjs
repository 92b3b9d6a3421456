/* scenes.mjs - what is asked, in which order: each scene leaves behind what the next one needs. */
import { setTimeout as sleep } from 'node:timers/promises';

/* Asks again until the answer is as wanted, 30 s at most. */
async function until(cluster, where, good) {
  for (let tries = 0; tries < 150; tries++) {
    const answer = await cluster.ask('GET', where);
    if (answer.status === 200 && good(JSON.parse(answer.text))) return;
    await sleep(200);
  }
  throw new Error(`${where} does not become what is waited for`);
}

async function routes({ drive, cluster }) {
  const hook = { kind: 'http', url: `http://127.0.0.1:${cluster.sink}/hook`, timeout_ms: 10000 };
  await drive('putRoute', 'a-webhook', { body: hook });
  await drive('putRoute', 'for-workers', { path: { name: 'warehouse' } });
  await drive('putRoute', 'once-more', { path: { name: 'warehouse' } });
  await drive('putRoute', 'without-a-url', { path: { name: 'bad' } });
  await drive('listRoutes');
  await drive('getRoute', undefined, { says: { kind: 'http' } });
  await drive('getRoute', undefined, { path: { name: 'nowhere' }, status: 404 });
  await drive('patchRoute', 'a-larger-window');
  await drive('patchRoute', 'a-larger-window', { path: { name: 'nowhere' }, status: 404 });
  await drive('rotateRoute', 'a-new-one', { headers: { 'idempotency-key': 'k2' } });
  await drive('rotateRoute', 'a-new-one', { headers: { 'idempotency-key': 'k2' }, status: 409 });
  await drive('rotateRoute', 'a-new-one', { path: { name: 'nowhere' }, status: 404 });
  await drive('rotateRoute', undefined, { body: { secret: cluster.secret, keep: 0 } });
  for (const id of ['pauseRoute', 'resumeRoute', 'retryRoute']) {
    await drive(id);
    await drive(id, undefined, { path: { name: 'nowhere' }, status: 404 });
  }
}

async function orders({ drive, cluster }) {
  await drive('scheduleOrder', 'in-half-an-hour');
  await drive('scheduleOrder', 'once-more');
  await drive('scheduleOrder', 'another-body');
  await drive('scheduleOrder', 'at-a-time', { path: { id: 'order-2' } });
  await drive('scheduleOrder', 'no-such-route', { path: { id: 'order-3' } });
  await drive('scheduleOrder', 'in-the-past', { path: { id: 'order-3' } });
  await drive('scheduleOrder', 'two-deadlines', { path: { id: 'order-3' } });
  const large = { delay: '1h', route: 'cancel-unpaid', payload_text: 'x'.repeat(4097) };
  await drive('scheduleOrder', undefined, { path: { id: 'order-3' }, body: large, status: 413 });

  const { headers } = await drive('getOrder', 'an-order');
  await drive('getOrder', undefined, { query: { local: true } });
  await drive('getOrder', undefined, { headers: { 'if-none-match': headers.get('etag') }, status: 304 });
  await drive('getOrder', undefined, { path: { id: 'none' }, status: 404 });
  await drive('getHistory', 'an-order');
  await drive('getHistory', undefined, { path: { id: 'none' }, status: 404 });
  await drive('listOrders', 'pending', {
    query: { state: 'PENDING', route: 'cancel-unpaid', prefix: 'order-1', due_after: '2026-01-01T00:00:00Z', limit: 10 },
  });
  await drive('listOrders', undefined, { query: { due_before: '2026-01-01T00:00:00Z' } });

  await drive('extendOrder', 'back-in-time');
  await drive('extendOrder', 'an-hour-from-now', { headers: { 'if-match': headers.get('etag'), 'idempotency-key': '"k1"' } });
  await drive('extendOrder', 'an-hour-from-now', { headers: { 'if-match': headers.get('etag'), 'idempotency-key': '"k1"' } });
  await drive('extendOrder', 'of-another-version', { headers: { 'if-match': headers.get('etag') } });
  await drive('extendOrder', undefined, { path: { id: 'none' }, body: { delay: '1h' }, status: 404 });
  await drive('payOrder', 'in-time');
  await drive('payOrder', 'in-time');
  await drive('payOrder', undefined, { path: { id: 'none' }, status: 404 });
  await drive('cancelOrder', undefined, { status: 409, says: { error: 'DECIDED' } });
  await drive('extendOrder', undefined, { body: { delay: '1h' }, status: 409 });
  await drive('cancelOrder', 'in-time', { path: { id: 'order-2' } });
  await drive('cancelOrder', undefined, { path: { id: 'none' }, status: 404 });
  await drive('payOrder', undefined, { path: { id: 'order-2' }, status: 409, says: { error: 'DECIDED' } });
  await drive('batch', 'three');

  const strange = { path: { id: 'Rechnung/7 单' } };
  await drive('scheduleOrder', undefined, { ...strange, body: { delay_ms: 60000, route: 'cancel-unpaid' }, status: 201 });
  await drive('getOrder', undefined, { ...strange, says: { id: strange.path.id } });
  await drive('scheduleOrder', undefined, { path: { id: 'soon' }, body: { delay: '500ms', route: 'cancel-unpaid' }, status: 201 });
  await until(cluster, '/v1/orders/soon', (o) => o.state === 'EXPIRED');
  await drive('payOrder', undefined, { path: { id: 'soon' }, status: 410, says: { error: 'TOO_LATE' } });
  await drive('deleteRoute', undefined, { status: 409, says: { error: 'ROUTE_IN_USE' } });
}

async function reserveOne(drive, name) {
  const body = name ? undefined : { max: 1, wait_ms: 30000 };
  const { value } = await drive('reserve', name, { path: { name: 'warehouse' }, body });
  return value.jobs[0].token;
}

async function workers({ drive, cluster }) {
  const put = (id) => drive('scheduleOrder', undefined,
    { path: { id }, body: { delay: '100ms', route: 'warehouse', payload: { sku: 7 } }, status: 201 });
  await put('job-1');
  const token = await reserveOne(drive, 'ten');
  const late = { path: { id: 'job-1' }, status: 410, says: { error: 'TOO_LATE' } };
  await drive('payOrder', undefined, late);
  await drive('cancelOrder', undefined, late);
  await drive('extendOrder', undefined, { ...late, body: { delay: '1h' } });
  await drive('lease', undefined, { path: { name: 'warehouse' }, body: { tokens: [token] } });
  await drive('lease', 'gone', { path: { name: 'warehouse' } });
  await drive('settle', 'one', { path: { name: 'warehouse' }, body: { reports: [{ token, outcome: 'expired' }] } });

  await drive('patchRoute', undefined, { path: { name: 'warehouse' }, body: { attempts: 1 } });
  const die = async (id) => {
    const held = await reserveOne(drive);
    const reports = [{ token: held, outcome: 'failed', reason: 'timeout at the bank' }];
    await drive('settle', undefined, { path: { name: 'warehouse' }, body: { reports } });
    await until(cluster, `/v1/orders/${id}`, (o) => o.state === 'DEAD');
  };
  await put('order-dead');
  await die('order-dead');
  await drive('listDead', undefined, { query: { route: 'warehouse', limit: 10 } });
  for (const id of ['redriveOrder', 'dropOrder']) {
    await drive(id, undefined, { path: { id: 'none' }, status: 404 });
    await drive(id, undefined, { path: { id: 'order-1' }, status: 409 });
  }
  await drive('redriveOrder', undefined, { path: { id: 'order-dead' } });
  await die('order-dead');
  await drive('redriveDead', undefined, { body: { ids: ['order-dead'] }, says: { matched: 1, done: 1 } });
  await die('order-dead');
  await drive('redriveDead', undefined, { body: { route: 'warehouse', reason_contains: 'timeout', limit: 9 }, says: { done: 1 } });
  await die('order-dead');
  await drive('dropOrder', undefined, { path: { id: 'order-dead' }, says: { state: 'CANCELLED' } });
  for (const id of ['redriveDead', 'dropDead']) {
    await drive(id, 'by-id');
    await drive(id, 'by-filter');
    await drive(id, 'how-many', { says: { done: 0 } });
  }
}

async function members({ drive, cluster }) {
  await drive('listMembers');
  await drive('getStatus');
  await drive('getStatus', undefined, { query: { node: 2 }, says: { id: 2 } });
  await drive('getStatus', undefined, { query: { node: 9 }, status: 404 });
  await drive('getCluster');
  await drive('transfer', 'to-any');
  await drive('transfer', undefined, { body: { to: 99 }, status: 404 });
  const { value } = await drive('listMembers');
  const leader = value.members.find((m) => m.leads).id;
  await drive('removeMember', undefined, { path: { id: leader }, status: 409 });
  await drive('removeMember', undefined, { path: { id: 99 }, status: 404 });
  cluster.startNode(4, ['--join', '--address', cluster.address(4)]);
  await drive('addMember', 'a-fourth', { body: { id: 4, address: cluster.address(4) }, headers: { prefer: 'wait=60' }, status: 201, patience: 90000 });
  await drive('addMember', undefined, { body: { id: 4, address: cluster.address(3) }, status: 409, patience: 90000 });
  await drive('removeMember', undefined, { path: { id: 4 }, status: 204 });
}

async function access({ drive, cluster, report, document }) {
  await drive('putAuthorisation', undefined, { body: { on: true }, status: 409, says: { error: 'NO_ADMIN' } });
  await drive('createToken', 'a-shop', { status: 201 });
  await drive('createToken', 'a-shop', { status: 409, says: { error: 'EXISTS' } });
  await drive('putPrincipal', 'operators');
  await drive('putPrincipal', undefined,
    { path: { name: 'nobody-yet' }, body: { kind: 'token', grants: [{ role: 'observer' }] }, status: 404 });
  await drive('putPrincipal', undefined, { body: { kind: 'token', grants: [{ role: 'observer' }] }, status: 409 });
  await drive('listPrincipals');
  await drive('rotateToken', 'a-new-one', { path: { name: 'shop-eu' }, headers: { 'idempotency-key': 'k4' }, status: 201 });
  await drive('rotateToken', 'a-new-one', { path: { name: 'shop-eu' }, headers: { 'idempotency-key': 'k4' }, status: 409 });
  await drive('rotateToken', undefined, { path: { name: 'nowhere' }, body: { expires: '1d' }, status: 404 });
  const root = { name: 'root', grants: [{ role: 'admin', routes: '*' }], expires: '365d' };
  const { value: admin } = await drive('createToken', undefined, { body: root, status: 201 });
  const watcher = { name: 'watcher', grants: [{ role: 'observer', routes: 'cancel-*' }], expires: 'never' };
  const { value: observer } = await drive('createToken', undefined, { body: watcher, status: 201 });

  cluster.token = admin.token;
  await drive('putAuthorisation', undefined, { body: { on: true }, says: { on: true } });
  await drive('getAuthorisation', undefined, { says: { on: true } });
  await drive('deletePrincipal', undefined, { path: { name: 'root' }, status: 409, says: { error: 'NO_ADMIN' } });
  cluster.token = undefined;
  const wrong = [];
  const many = ['batch', 'redriveDead', 'dropDead']; // each of what they ask for has its own answer
  for (const o of document.operations.values()) {
    if (o.op.security?.length === 1 && Object.keys(o.op.security[0]).length === 0) continue;
    if (o.id === 'metrics') continue;
    const at = o.path.replace(/\{(\w+)\}/g, (_, p) => (o.path.startsWith('/v1/members') ? '4' : 'order-1'));
    const body = Object.values(o.requests)[0]?.value;
    const answer = await cluster.ask(o.method.toUpperCase(), at, { body });
    if (many.includes(o.id) && answer.status === 200) {
      const results = JSON.parse(answer.text);
      if (!(results.results ?? results.failed).every((r) => r.status === 403)) wrong.push(`${o.id}: ${answer.text}`);
    } else if (answer.status !== 401 || !/^Bearer/.test(answer.headers.get('www-authenticate') ?? '')) {
      wrong.push(`${o.id}: ${answer.status} ${answer.text.slice(0, 160)}`);
    } else {
      wrong.push(...document.problemsOf(o, answer).map((p) => `${o.id}: ${p}`));
    }
  }
  report('without a token nothing is answered, but 401', wrong);
  cluster.token = observer.token;
  await drive('getOrder');
  await drive('payOrder', undefined, { status: 403, says: { error: 'DENIED', class: 'definite' } });
  cluster.token = admin.token;
  await drive('putAuthorisation', 'off', { says: { on: false } });
  cluster.token = undefined;
  await drive('deletePrincipal', undefined, { status: 204 });
  await drive('deletePrincipal', undefined, { path: { name: 'nowhere' }, status: 404 });
  await drive('listAudit', undefined, { query: { since: '2026-01-01T00:00:00Z', who: 'nobody', what: 'route', limit: 10 } });
}

async function node({ drive, cluster }) {
  await cluster.settled();
  for (const id of ['livez', 'readyz', 'metrics', 'openapi']) await drive(id);
}

async function leftOvers({ drive }) {
  await drive('putRoute', undefined, { path: { name: 'idle' }, body: { kind: 'worker' }, status: 201 });
  await drive('deleteRoute', undefined, { path: { name: 'idle' }, status: 204 });
  await drive('deleteRoute', undefined, { path: { name: 'idle' }, status: 404 });
}

export async function scenes(play) {
  for (const scene of [routes, orders, workers, members, access, node, leftOvers]) await scene(play);
}
