/* run.mjs - every operation and example of docs/openapi.yaml, asked of three nodes. Prints TAP.
 *
 *   node tests/openapi/run.mjs BUILD MODULES */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

import { Cluster } from './cluster.mjs';
import { differences, Document } from './document.mjs';
import { scenes } from './scenes.mjs';

const [build, modules] = process.argv.slice(2);
const document = new Document(modules);
const cluster = new Cluster(build);
let tests = 0;
let failed = 0;

function report(name, problems = []) {
  tests++;
  failed += problems.length > 0;
  console.log(`${problems.length === 0 ? 'ok' : 'not ok'} ${tests} - ${name}`);
  problems.slice(0, 20).forEach((p) => console.log('# ' + String(p).replace(/\n/g, '\n# ')));
}

/* Asks for an operation, as its example `name` if that is given, and reports whether the answer is the document's.
 * `with`: path (its parameters), query, headers, body; `status`: what is wanted where no example says it. */
async function drive(id, name, { path: values = {}, query = {}, headers, body, status, patience, says } = {}) {
  const operation = document.operations.get(id);
  const example = name && document.exampleAnswer(operation, name);
  const wanted = status ?? example?.status ?? 200;
  const sent = body ?? (name && operation.requests[name]?.value);
  const of = (p) => values[p.name] ?? p.example;
  const where = operation.path.replace(/\{(\w+)\}/g, (_, param) =>
    encodeURIComponent(of(operation.parameters.find((p) => p.in === 'path' && p.name === param))));
  const text = new URLSearchParams(query).toString();
  const answer = await cluster.ask(operation.method.toUpperCase(), where + (text && '?' + text),
    { headers, body: sent, patience });
  const problems = answer.status === wanted ? [] : [`status ${answer.status} and not ${wanted}`, answer.text];
  problems.push(...document.problemsOf(operation, answer), ...everyAnswer(answer));
  let value;
  try { value = JSON.parse(answer.text); } catch { /* not each has one */ }
  if (example && answer.status === example.status) problems.push(...differences(example.value, value));
  for (const [key, v] of Object.entries(says ?? {})) {
    if (value?.[key] !== v) problems.push(`${key} is ${value?.[key]} and not ${v}`);
  }
  document.markDriven(operation, answer.status, (example?.status ?? answer.status) === answer.status && name);
  report(`${id} ${wanted}${name ? ' as in the example ' + name : ''}`, problems);
  return { ...answer, value };
}

function everyAnswer({ headers }) {
  const wanted = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  const found = Object.entries(wanted).filter(([n, v]) => headers.get(n) !== v).map(([n]) => `${n}: ${headers.get(n)}`);
  if (!/^[1-9]\d*$/.test(headers.get('orderschedd-node') ?? '')) found.push('no Orderschedd-Node');
  return found;
}

/* The document by itself. */
async function documentIsSound() {
  const { Validator } = await import(document.require.resolve('@seriousme/openapi-schema-validator'));
  const result = await new Validator().validate(structuredClone(document.doc));
  report('it is OpenAPI 3.1', result.valid ? [] : [JSON.stringify(result.errors)]);
  const broken = structuredClone(document.doc);
  broken.paths['/v1/orders'].get.parameters[0].in = 'nowhere';
  report('... and what is not is noticed', (await new Validator().validate(broken)).valid ? ['it is not'] : []);
  const json = JSON.parse(fs.readFileSync(path.join(build, 'openapi.json'), 'utf8'));
  report('the build makes the same of it as a reader of YAML',
    JSON.stringify(sorted(json)) === JSON.stringify(sorted(document.doc)) ? [] : ['it does not']);
  const unfit = [];
  for (const [operation, name] of document.allExamples()) {
    const wanted = document.exampleAnswer(operation, name)?.status ?? 200;
    const request = operation.requests[name];
    const at = operation.body && [...operation.body.pointer, 'content', 'application/json', 'schema'];
    if (request && wanted < 400) unfit.push(...document.misfits(request.value, at).map((e) => `${operation.id}/${name} ${e}`));
    for (const { value, pointer } of operation.responses) {
      for (const [type, content] of Object.entries(value.content ?? {})) {
        if (!content.examples?.[name]) continue;
        const errors = document.misfits(content.examples[name].value, [...pointer, 'content', type, 'schema']);
        unfit.push(...errors.map((e) => `${operation.id}/${name}, its answer: ${e}`));
      }
    }
  }
  report('its examples fit its schemas', unfit);
}

function sorted(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(sorted);
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, sorted(value[k])]));
}

/* What holds for each resource alike. */
async function everyResource() {
  const wrong = [];
  for (const where of Object.keys(document.doc.paths)) {
    const here = [...document.operations.values()].filter((o) => o.path === where);
    const names = { id: here[0].path.startsWith('/v1/members') ? '9' : 'nothing', name: 'nothing' };
    const at = where.replace(/\{(\w+)\}/g, (_, p) => names[p]);
    const methods = new Set(here.map((o) => o.method.toUpperCase()));
    if (methods.has('GET')) methods.add('HEAD');
    methods.add('OPTIONS');
    const allowed = (a) => (a.headers.get('allow') ?? '').split(/, */).sort().join() === [...methods].sort().join();
    const options = await cluster.ask('OPTIONS', at);
    if (options.status !== 204 || !allowed(options)) wrong.push(`OPTIONS ${at}: ${options.status} ${options.headers.get('allow')}`);
    const other = ['PATCH', 'DELETE', 'POST'].find((m) => !methods.has(m));
    const refused = await cluster.ask(other, at);
    if (refused.status !== 405 || !allowed(refused)) wrong.push(`${other} ${at}: ${refused.status} ${refused.headers.get('allow')}`);
    wrong.push(...document.problemsOf(here[0], refused).map((p) => `${other} ${at}: ${p}`));
    for (const o of here) {
      const method = o.method.toUpperCase();
      const asked = await cluster.ask(method, at + '?no_such=1', { body: o.body ? {} : undefined });
      if (asked.status !== 400 || JSON.parse(asked.text).error !== 'UNKNOWN_PARAMETER') {
        wrong.push(`${method} ${at}?no_such=1: ${asked.status} ${asked.text.slice(0, 200)}`);
      } else {
        wrong.push(...document.problemsOf(o, asked).map((p) => `${method} ${at}?no_such=1: ${p}`));
      }
    }
  }
  report('each resource has the methods of the document, and no parameter that it does not name', wrong);
}

/* An answer that no test can bring about in time, with the reason. */
const NOT_HERE = {
  'putRoute 409': 'a thousand routes',
  'scheduleOrder 507': 'a disk that is full',
  'transfer 409': 'a voter that does not take over',
  'livez 503': 'a loop that stands still',
  'readyz 503': 'a node that is cut off',
};

function everythingWasDriven() {
  const left = [];
  for (const o of document.operations.values()) {
    if (!document.driven.has(o.id)) left.push(`${o.id} was not asked for`);
    for (const { status } of o.responses) {
      const key = `${o.id} ${status}`;
      if (/^\d+$/.test(status) && !document.driven.has(key) && !NOT_HERE[key]) left.push(`${key} was not seen`);
    }
  }
  for (const [o, name] of document.allExamples()) {
    if (!document.driven.has(`${o.id}/${name}`)) left.push(`the example ${o.id}/${name} was not asked for`);
  }
  report('every operation, answer and example was tried', left);
}

try {
  await documentIsSound();
  await cluster.start();
  await cluster.ready();
  await scenes({ drive, cluster, report, document });
  await everyResource();
  const served = await cluster.ask('GET', '/v1/openapi.json');
  report('a node serves it', JSON.stringify(sorted(JSON.parse(served.text))) === JSON.stringify(sorted(document.doc))
    ? [] : ['another one']);
  everythingWasDriven();
} catch (why) {
  report('the run ends', [why.stack]);
} finally {
  report('the programs end well', await cluster.stop());
}
console.log(`1..${tests}`);
process.exitCode = failed ? 1 : 0;
