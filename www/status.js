// SPDX-License-Identifier: MIT
//
// The status page: asks /metrics every two seconds and the list of models when it may have changed,
// as long as the page is looked at.

import { connect } from '/larder.js';
import { $ } from '/demo/page.js';

const EVERY = 2000; // milliseconds between two looks
const KEPT = 60; // looks that a curve goes back

/** What is shown of /metrics: [title, unit, (now, past) => { value, note, curve }] */
const GAUGES = [
  ['Requests', '', (m, rates) => ({
    value: whole(m.larder_requests_total),
    note: `${rate(rates.at(-1)?.requests)} a second`,
    curve: rates.map((r) => r.requests),
  })],
  ['Sent', '', (m, rates) => ({
    ...bytes(m.larder_sent_bytes_total),
    note: `${size(rates.at(-1)?.sent ?? 0)} a second`,
    curve: rates.map((r) => r.sent),
  })],
  ['Inferences', '', (m, rates) => ({
    value: whole(m.larder_inferences_total),
    note: m.larder_inferences_total
      ? `${(m.larder_inference_ns_total / m.larder_inferences_total / 1e6).toFixed(2)} ms each, on average`
      : 'none yet',
    curve: rates.map((r) => r.inferences),
  })],
  ['Hits', '%', (m) => {
    const files = m.larder_answers_2xx_total + m.larder_answers_3xx_total;
    return {
      value: files ? (100 * (1 - Math.min(1, m.larder_misses_total / files))).toFixed(files < 1000 ? 0 : 1) : '–',
      unit: files ? '%' : '',
      note: m.larder_misses_total ? `${whole(m.larder_misses_total)} had to be fetched, ${size(m.larder_pulled_bytes_total)}`
        : 'nothing had to be fetched',
    };
  }],
  ['Queue', '', (m, rates) => ({
    value: whole(m.larder_inferences_waiting),
    note: m.larder_inferences_refused_total ? `${whole(m.larder_inferences_refused_total)} refused: too many`
      : 'inferences that wait',
    curve: rates.map((r) => r.waiting),
  })],
  ['In memory', '', (m) => ({
    ...bytes(m.larder_models_bytes),
    note: `${count(m.larder_models_loaded, 'model')} of ${size(m.larder_memory_budget_bytes)} allowed`,
  })],
  ['Stored', '', (m) => ({
    ...bytes(m.larder_store_bytes),
    note: m.larder_store_max_bytes ? `of ${size(m.larder_store_max_bytes)} allowed`
      : `${count(m.larder_store_blobs, 'blob')}, no quota`,
  })],
  ['Refused', '', (m) => {
    const refused = Object.entries(m).filter(([name]) => /^larder_refused_/.test(name));
    const most = refused.sort((a, b) => b[1] - a[1])[0];
    return {
      value: whole(refused.reduce((n, [, c]) => n + c, 0)),
      note: most?.[1] ? `most for their ${most[0].slice('larder_refused_'.length, -'_total'.length)}`
        : 'no request was turned away',
    };
  }],
];

// --- words and numbers --------------------------------------------------------------------------

const number = new Intl.NumberFormat('en');

function whole(n) {
  return n === undefined ? '–' : number.format(Math.round(n));
}

function rate(n = 0) {
  return n < 10 ? n.toFixed(1) : whole(n);
}

/** { value, unit } with three digits or so, in powers of 1024 */
function bytes(n) {
  if (n === undefined)
    return { value: '–' };
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const step = n < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(n) / 10));
  const value = n / 1024 ** step;
  return { value: step && value < 100 ? value.toFixed(1) : String(Math.round(value)), unit: units[step] };
}

function size(n) {
  const { value, unit } = bytes(n);
  return `${value} ${unit}`;
}

function duration(seconds) {
  const [d, h, m] = [seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60].map(Math.floor);
  if (d)
    return `${d} d ${h} h`;
  if (h)
    return `${h} h ${m} min`;
  return m ? `${m} min` : `${Math.floor(seconds)} s`;
}

function count(n, one, many = `${one}s`) {
  return `${n === 0 ? 'no' : number.format(n)} ${n === 1 ? one : many}`;
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className)
    made.className = className;
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text)
    node.textContent = text;
}

// --- counters -----------------------------------------------------------------------------------

/** Prometheus text -> { name: sum over its labels } */
function parseMetrics(text) {
  const out = {};
  for (const line of text.split('\n')) {
    const found = /^([a-zA-Z_:][\w:]*)(?:\{.*\})? (\S+)/.exec(line);
    if (found)
      out[found[1]] = (out[found[1]] ?? 0) + Number(found[2]);
  }
  return out;
}

const cells = GAUGES.map(([title]) => {
  const value = element('p', 'value');
  const note = element('p', 'note');
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const [area, line] = ['area', 'line'].map((kind) => {
    const path = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    path.setAttribute('class', kind);
    svg.append(path);
    return path;
  });
  svg.setAttribute('viewBox', `0 0 ${KEPT - 1} 20`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const number = document.createTextNode('–');
  const unit = element('small');
  value.append(number, unit);
  $('gauges').append(element('div', 'gauge card', svg, element('h3', '', title), value, note));
  return { number, unit, note, area, line };
});

/** The last looks as a line, newest at the right edge; nothing to see if all are 0. */
function curve(values) {
  if (!values?.some(Boolean) || values.length < 2)
    return ['', ''];
  const top = Math.max(...values);
  const step = (KEPT - 1) / (Math.max(values.length, KEPT / 4) - 1);
  const at = (i) => (KEPT - 1 - (values.length - 1 - i) * step).toFixed(2);
  const line = values.map((v, i) => `${at(i)} ${(19 - v / top * 16).toFixed(2)}`).join('L');
  return [`M${at(0)} 20L${line}L${KEPT - 1} 20Z`, `M${line}`];
}

const rates = [];
let before = null;

function showMetrics(metrics) {
  const now = {
    at: performance.now(),
    requests: metrics.larder_requests_total ?? 0,
    sent: metrics.larder_sent_bytes_total ?? 0,
    inferences: metrics.larder_inferences_total ?? 0,
    waiting: metrics.larder_inferences_waiting ?? 0,
  };
  if (before) {
    const seconds = (now.at - before.at) / 1000;
    const per = (what) => Math.max(0, now[what] - before[what]) / seconds;
    rates.push({ requests: per('requests'), sent: per('sent'), inferences: per('inferences'),
      waiting: now.waiting });
    if (rates.length > KEPT)
      rates.shift();
  }
  before = now;
  GAUGES.forEach(([, , read], i) => {
    const { value, unit, note, curve: values } = read(metrics, rates);
    const cell = cells[i];
    setText(cell.number, value);
    setText(cell.unit, unit ?? '');
    setText(cell.note, note);
    const [area, line] = curve(values);
    cell.area.setAttribute('d', area);
    cell.line.setAttribute('d', line);
  });
}

// --- models -------------------------------------------------------------------------------------

let shownModels = '';

/** `loaded` is the model's bytes in memory, 0 while it is being loaded, undefined if it is not. */
function modelCard(model, loaded) {
  const path = (part) => part.split('/').map(encodeURIComponent).join('/');
  const rows = model.files.map((file) => {
    const link = element('a', '', file.path);
    link.href = `/${path(model.id)}/resolve/main/${path(file.path)}`;
    link.download = '';
    const digest = element('code', '', file.sha256 ? `${file.sha256.slice(0, 12)}…` : '');
    digest.title = file.sha256 ?? '';
    return element('tr', '', element('td', '', link), element('td', '', size(file.bytes)),
      element('td', '', digest));
  });
  const head = element('tr', '', ...['File', 'Size', 'SHA-256'].map((t) => element('th', '', t)));
  const files = element('div', 'files', element('table', '', head, ...rows));
  if (model.id === 'digits') {
    const link = element('a', '', 'Draw a digit and let it read');
    link.href = '/demo/';
    files.append(element('p', 'try', link));
  }
  const badge = element('span', model.runnable ? 'badge runs' : 'badge',
    model.runnable ? 'runs here' : 'served only');
  const memory = loaded === undefined ? [] : [element('span', 'badge loaded',
    loaded ? `${size(loaded)} in memory` : 'being loaded')];
  const summary = element('summary', '', element('span', 'id', model.id), badge, ...memory,
    element('span', 'size', `${count(model.files.length, 'file')} · ${size(model.bytes)}`));
  const card = element('details', 'model card', summary, files);
  card.dataset.id = model.id;
  return element('li', '', card);
}

function showModels(models, loaded) {
  const all = models.reduce((n, m) => n + m.bytes, 0);
  setText($('headline'), models.length === 0 ? 'An empty larder.'
    : `${count(models.length, 'model')} in the larder, ${size(all)}.`);
  const state = JSON.stringify([models, [...loaded]]);
  if (state === shownModels)
    return;
  const first = !shownModels, { activeElement: focused } = document;
  shownModels = state;
  const open = new Set([...document.querySelectorAll('.model[open]')].map((c) => c.dataset.id));
  const cards = models.toSorted((a, b) => a.id.localeCompare(b.id)).map((m) => modelCard(m, loaded.get(m.id)));
  for (const card of cards)
    card.firstElementChild.open = open.has(card.firstElementChild.dataset.id) || (first && models.length === 1);
  const at = focused.closest('.model')?.dataset.id, href = focused.getAttribute('href');
  $('models').replaceChildren(...cards);
  // whoever came here by keys stays where they were
  const card = at && cards.find((c) => c.firstElementChild.dataset.id === at);
  [...card?.querySelectorAll('summary, a') ?? []].find((e) => e.getAttribute('href') === href)?.focus();
  $('empty').hidden = models.length > 0;
}

// --- jobs and trouble -----------------------------------------------------------------------------

const STATES = { queued: 'waiting', running: 'being fetched', done: 'done', failed: 'failed', cancelled: 'cancelled' };
const rows = new Map(); // job id -> its elements

function showJobs(jobs) {
  const shown = jobs.slice(-8).reverse();
  $('jobs-part').hidden = shown.length === 0;
  for (const [id, row] of rows) {
    if (!shown.some((j) => j.id === id)) {
      row.item.remove();
      rows.delete(id);
    }
  }
  shown.forEach((job, i) => {
    let row = rows.get(job.id);
    if (!row) {
      const [name, state, bar] = [element('span', 'id'), element('span', 'size'), element('progress')];
      row = { name, state, bar, item: element('li', 'job card', name, state, bar) };
      rows.set(job.id, row);
    }
    const total = job.bytes_total ?? 0, done = job.bytes_done ?? 0;
    setText(row.name, job.model ?? `Job ${job.id}`);
    setText(row.state, `${STATES[job.state] ?? job.state} · ${size(done)}${total ? ` of ${size(total)}` : ''}`
      + (job.error ? ` · ${job.error}` : ''));
    row.bar.max = Math.max(total, 1);
    if (total || job.state !== 'running')
      row.bar.value = job.state === 'done' ? row.bar.max : done;
    row.bar.setAttribute('aria-label', `Progress of ${job.model ?? job.id}`);
    row.item.className = `job card ${job.state}`;
    if ($('jobs').children[i] !== row.item)
      $('jobs').insertBefore(row.item, $('jobs').children[i] ?? null);
  });
}

/** What is told when it grows: [counter, (how many) => words] */
const TROUBLE = [
  ['larder_answers_5xx_total', (n) => `${count(n, 'answer')} with a server error`],
  ['larder_inferences_failed_total', (n) => `${count(n, 'run')} of a model failed`],
  ['larder_model_load_failures_total', (n) => `${count(n, 'model')} could not be loaded`],
  ['larder_jobs_expired_total', (n) => `${count(n, 'request')} took too long`],
  ['larder_inferences_refused_total', (n) => `${count(n, 'inference')} refused: the queue was full`],
  ['larder_refused_origin_total', (n) => `${count(n, 'request')} refused for the origin: larderctl origins add …`],
  ['larder_refused_host_total', (n) => `${count(n, 'request')} refused for the host name`],
  ['larder_pull_retries_total', (n) => `${count(n, 'transfer')} from an upstream begun again`],
  ['larder_blobs_damaged_total', (n) => `${count(n, 'blob')} found damaged or missing`],
];
let counted = null;

function showTrouble(metrics) {
  for (const [name, words] of TROUBLE) {
    const more = (metrics[name] ?? 0) - (counted?.[name] ?? 0);
    if (more <= 0)
      continue;
    const when = counted ? new Date().toLocaleTimeString('en-GB') : 'before';
    $('trouble').prepend(element('li', '', element('time', '', when), ` ${words(more)}`));
    while ($('trouble').children.length > 12)
      $('trouble').lastElementChild.remove();
  }
  $('trouble-part').hidden = $('trouble').children.length === 0;
  counted = metrics;
}

// --- the loop -----------------------------------------------------------------------------------

function showState(on, text) {
  $('state').className = `state ${on ? 'on' : 'off'}`;
  setText($('state').lastElementChild, text);
}

let larder = null;

async function look() {
  try {
    larder ??= await connect();
    const ask = async (url) => {
      const reply = await fetch(url);
      if (!reply.ok)
        throw new Error(`${url} answered ${reply.status}`);
      return reply;
    };
    const [metrics, models, { jobs }, { model_stats: stats }] = await Promise.all([
      ask('/metrics').then((r) => r.text()), larder.models(), ask('/status/jobs').then((r) => r.json()),
      ask('/v2/models/stats').then((r) => r.json()),
    ]);
    const loaded = new Map(stats.filter((s) => s.memory_usage.length)
      .map((s) => [s.name, s.memory_usage[0].byte_size]));
    const values = parseMetrics(metrics);
    showMetrics(values);
    showModels(models, loaded);
    showJobs(jobs);
    showTrouble(values);
    const seconds = values.process_uptime_seconds;
    showState(true, seconds === undefined ? 'Running' : `Running for ${duration(seconds)}`);
    setText($('foot'), `larder ${larder.version} at ${location.host}`);
  } catch (error) {
    larder = null;
    before = null;
    counted = null;
    showState(false, `No answer: ${error.message}`);
  }
}

for (;;) {
  if (document.visibilityState === 'visible')
    await look();
  await new Promise((go) => {
    setTimeout(go, EVERY);
    document.addEventListener('visibilitychange', go, { once: true });
  });
}
