// dom.js - elements, made without any HTML text: what an order or a receiver says is only ever text.
import { number } from './words.js';

// What shows nothing, or turns the order of what stands around it: two ids that differ must not look the same.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
/** A text of somebody's, with what cannot be seen in it written out. */
export function visible(text) {
  return String(text).replace(UNSEEN, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** An element: `of` may have "class", "text", "on" (listeners by event), properties and attributes. */
export function el(name, of = {}, ...children) {
  const node = document.createElement(name);
  return fill(node, of, children);
}

const SVG = 'http://www.w3.org/2000/svg';
export function svg(name, of = {}, ...children) {
  return fill(document.createElementNS(SVG, name), of, children);
}

function fill(node, of, children) {
  for (const [key, value] of Object.entries(of)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'on') for (const [event, run] of Object.entries(value)) node.addEventListener(event, run);
    else if (key === 'text') node.textContent = value;
    else if (key === 'value') node.value = value;
    else node.setAttribute(key, value === true ? '' : String(value));
  }
  for (const child of children.flat()) {
    if (child !== undefined && child !== null && child !== false) {
      node.append(child instanceof Node ? child : document.createTextNode(String(child)));
    }
  }
  return node;
}

/** A table; a column is [title, row => cell, class]. */
export function table(caption, columns, rows, none) {
  if (rows.length === 0) return el('p', { class: 'quiet', text: none });
  return el('div', { class: 'wide' },
    el('table', { 'aria-label': caption },
      el('thead', {}, el('tr', {}, columns.map(([title, , cls]) => el('th', { scope: 'col', class: cls, text: title })))),
      el('tbody', {}, rows.map((row) => el('tr', {},
        columns.map(([, cell, cls]) => el('td', { class: cls }, cell(row))))))));
}

/** A modal question. Resolves to what the form holds, with `choice` "yes" or "other", or to null: it was left. */
export function ask(title, body, yes, no, { danger = false, other } = {}) {
  return new Promise((resolve) => {
    const form = el('form', { method: 'dialog' }, el('h2', { text: title }), body,
      el('div', { class: 'row' },
        no !== undefined && el('button', { type: 'button', text: no, on: { click: () => dialog.close('') } }),
        other && el('button', { type: 'button', text: other, on: { click: () => dialog.close('other') } }),
        el('button', { value: 'yes', class: danger ? 'danger' : 'act', text: yes })));
    const dialog = el('dialog', { 'aria-label': title }, form);
    dialog.addEventListener('close', () => {
      const choice = dialog.returnValue;
      const given = choice === '' ? null : { ...Object.fromEntries(new FormData(form)), choice };
      dialog.remove();
      resolve(given);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

let hide;
/** One sentence for everybody, a screen reader included. */
export function say(sentence) {
  const said = document.getElementById('said');
  said.textContent = sentence;
  said.className = 'shown';
  clearTimeout(hide);
  hide = setTimeout(() => { said.textContent = ''; said.className = ''; }, 8000);
}

/** Bars over equal steps; `label` says the picture in words, `titles` each bar. Below stand where it begins and ends,
 *  and how much its highest bar is. */
export function plot(values, label, { left, right, unit = '', titles }) {
  const most = Math.max(...values, 0);
  const top = most || 1;
  const w = 1000 / Math.max(1, values.length);
  return el('figure', {},
    svg('svg', { class: 'plot', viewBox: '0 0 1000 100', preserveAspectRatio: 'none', role: 'img', 'aria-label': label },
      values.map((v, i) => svg('rect', { x: i * w, y: 100 - heightOf(v, top), width: Math.max(0.5, w - 1), height: heightOf(v, top) },
        titles && svg('title', {}, titles[i])))),
    el('figcaption', {}, el('span', { text: left }), el('span', { text: `\u2191 ${rounded(most)}${unit && ` ${unit}`}` }), el('span', { text: right })));
}
const heightOf = (v, most) => (v > 0 ? Math.max(2, 95 * v / most) : 0); // one order beside a million is seen
const rounded = (n) => number(n < 100 ? Math.round(n * 10) / 10 : Math.round(n));
