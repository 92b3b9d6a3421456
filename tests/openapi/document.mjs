/* document.mjs - docs/openapi.yaml: its operations and examples, and whether an answer is as it says. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const METHODS = ['get', 'put', 'post', 'patch', 'delete'];

export class Document {
  constructor(modules) {
    const require = createRequire(pathToFileURL(path.resolve(modules) + '/'));
    this.require = require;
    this.text = fs.readFileSync('docs/openapi.yaml', 'utf8');
    this.doc = require('yaml').parse(this.text);
    const Ajv = require('ajv/dist/2020').default;
    this.ajv = new Ajv({ strict: false, allErrors: true });
    require('ajv-formats').default(this.ajv);
    this.ajv.addSchema(this.doc, 'doc');
    this.operations = new Map(); // operationId -> {method, path, op, at, parameters, examples}
    this.driven = new Set(); // "operationId", "operationId STATUS", "operationId/EXAMPLE"
    for (const [where, item] of Object.entries(this.doc.paths)) {
      for (const method of METHODS.filter((m) => item[m])) this.add(where, method, item);
    }
  }

  // What a reference stands for, and its own place.
  at(pointer) {
    const steps = pointer.map(String);
    let value = this.doc;
    for (const step of steps) {
      value = value[step];
      if (value?.$ref) return this.at(value.$ref.slice(2).split('/').concat(steps.slice(steps.indexOf(step) + 1)));
    }
    return { value, pointer: steps };
  }

  resolve(value, pointer) {
    return value?.$ref ? this.at(value.$ref.slice(2).split('/')) : { value, pointer };
  }

  add(where, method, item) {
    const op = item[method];
    const base = ['paths', where, method];
    const parameters = [...(item.parameters ?? []), ...(op.parameters ?? [])].map((p) => this.resolve(p).value);
    const responses = Object.entries(op.responses).map(([status, r]) => ({
      status,
      ...this.resolve(r, [...base, 'responses', status]),
    }));
    const body = op.requestBody && this.resolve(op.requestBody, [...base, 'requestBody']);
    const known = { id: op.operationId, method, path: where, op, parameters, responses, body };
    known.requests = body?.value.content['application/json'].examples ?? {};
    this.operations.set(op.operationId, known);
  }

  // The answer's example of this name, and the status that it has.
  exampleAnswer(operation, name) {
    for (const { status, value } of operation.responses) {
      for (const content of Object.values(value.content ?? {})) {
        if (content.examples?.[name]) return { status: Number(status), value: content.examples[name].value };
      }
    }
    return undefined;
  }

  *allExamples() {
    for (const o of this.operations.values()) {
      const names = new Set(Object.keys(o.requests));
      for (const { value } of o.responses) {
        for (const c of Object.values(value.content ?? {})) Object.keys(c.examples ?? {}).forEach((n) => names.add(n));
      }
      for (const name of names) yield [o, name];
    }
  }

  // What is wrong with a value by the schema at a place; empty: nothing.
  misfits(value, pointer) {
    const steps = pointer.map((s) => encodeURIComponent(String(s).replace(/~/g, '~0').replace(/\//g, '~1')));
    const ref = 'doc#/' + steps.join('/');
    const validate = this.ajv.getSchema(ref) ?? this.ajv.compile({ $ref: ref });
    return validate(value) ? [] : validate.errors.map((e) => `${e.instancePath || '/'} ${e.message}` +
        (e.params.additionalProperty ? ` (${e.params.additionalProperty})` : ''));
  }

  // The document's answer for a status: itself, or its range, which names the statuses that it has.
  responseFor(operation, status) {
    const exact = operation.responses.find((r) => r.status === String(status));
    if (exact) return exact;
    const range = operation.responses.find((r) => r.status === `${String(status)[0]}XX`);
    return range?.value['x-statuses'].includes(status) ? range : undefined;
  }

  /* What is wrong with an answer: {status, headers, text}. `sent` is the method that was asked. */
  problemsOf(operation, answer) {
    const found = [];
    const response = this.responseFor(operation, answer.status);
    if (!response) return [`status ${answer.status} is not in the document: ${answer.text.slice(0, 300)}`];
    const { value, pointer } = response;
    for (const [name, header] of Object.entries(value.headers ?? {})) {
      const text = answer.headers.get(name);
      if (text === null) {
        if (!response.status.endsWith('XX')) found.push(`no header ${name}`);
        continue;
      }
      const where = this.resolve(header, [...pointer, 'headers', name]);
      const typed = where.value.schema.type === 'integer' ? Number(text) : text;
      found.push(...this.misfits(typed, [...where.pointer, 'schema']).map((e) => `header ${name}: ${text} ${e}`));
    }
    const type = answer.headers.get('content-type')?.split(';')[0];
    if (!value.content) {
      if (answer.text !== '') found.push(`a body where there is none: ${answer.text.slice(0, 80)}`);
    } else if (!value.content[type]) {
      found.push(`content type ${type} is not in the document`);
    } else if (type !== 'text/plain') {
      let body;
      try {
        body = JSON.parse(answer.text);
      } catch (why) {
        return [...found, `not JSON: ${why.message}`];
      }
      found.push(...this.misfits(body, [...pointer, 'content', type, 'schema']));
      if (type === 'application/problem+json' && body.status !== answer.status) found.push('another status inside');
    }
    return found;
  }

  markDriven(operation, status, example) {
    this.driven.add(operation.id).add(`${operation.id} ${status}`);
    if (example) this.driven.add(`${operation.id}/${example}`);
  }
}

// Members that say the same at each run.
const FIXED = new Set(['state', 'error', 'class', 'status', 'type', 'title', 'id', 'name', 'route', 'kind', 'outcome',
  'payload', 'payload_bytes', 'version', 'pointer', 'reason', 'detail', 'on']);

/* Where an answer differs from the document's example: in which members there are, their types, and what is the
 * same at each run. */
export function differences(example, answer, where = '') {
  if (Array.isArray(example) && Array.isArray(answer)) {
    const found = example.length === answer.length ? [] : [`${where}: ${answer.length} and not ${example.length}`];
    return found.concat(...example.slice(0, answer.length).map((e, i) => differences(e, answer[i], `${where}/${i}`)));
  }
  if (example !== null && answer !== null && typeof example === 'object' && typeof answer === 'object') {
    const names = [...new Set([...Object.keys(example), ...Object.keys(answer)])];
    return names.flatMap((name) => {
      const here = `${where}/${name}`;
      if (!(name in answer)) return [`${here} is missing`];
      if (!(name in example)) return [`${here} is not in the example`];
      if (FIXED.has(name) && typeof example[name] !== 'object' && example[name] !== answer[name]) {
        return [`${here}: ${JSON.stringify(answer[name])} and not ${JSON.stringify(example[name])}`];
      }
      return differences(example[name], answer[name], here);
    });
  }
  const kind = (v) => (v === null ? 'null' : Array.isArray(v) ? 'array' : typeof v);
  return kind(example) === kind(answer) ? [] : [`${where}: ${kind(answer)} and not ${kind(example)}`];
}
