// SPDX-License-Identifier: MIT
//
// compare_ort.cjs — run by compare-ort: larder's runtime against ONNX Runtime in one run, in turn:
// A B A B …; prints the ratio of the medians (their time / ours: above 1 we are faster).
//
//   tests/bench/compare-ort [OPTION]… MODEL… | --table
//
//   MODEL          an .onnx file, DIR/X.onnx=CASE to take the inputs of a golden case, or @NAME, a
//                  graph that graphs.cjs makes (@list prints them)
//   --table        every row of ort_table.cjs, each beside the bar it is measured against
//   --only REGEX   of the table, the rows whose model's path matches
//   --wasm         the peer is onnxruntime-web with one thread, what a page has that is not isolated
//                  from other origins; we have two. Of the table: CNNs and transformers
//   --load         each of our rounds is a first start, then one from the weights that it has packed;
//                  the times of both are told
//   --sessions N   N sessions of one model in one process: what the others cost beside the first
//   --shape NAME=1,3,640,640   of one input; --rounds N, --runs N, --threads 1,2, --json FILE
//   --bench PATH   bench-model, where it is not build/tests/bench-model
//
// Timings gate nothing. Needs the npm packages of tests/package.json, whose lock file says the
// version of the peer (./bootstrap check installs them; or NODE_PATH).
'use strict';
const { execFileSync } = require('node:child_process');
const { writeFileSync, mkdtempSync, rmSync } = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const graphs = require('./graphs.cjs');
const table = require('./ort_table.cjs');

const top = path.resolve(__dirname, '../..');
const usage = (why) => {
  console.error(`compare-ort: ${why}\nusage: compare-ort [--table [--only REGEX]] [--wasm] [--load]`
    + ' [--sessions N] [--rounds N] [--runs N] [--threads 1,2] [--shape NAME=DIMS] [--json FILE]'
    + ' [--bench PATH] MODEL…');
  process.exit(2);
};

function options(argv) {
  const o = { rounds: 5, runs: 30, sessions: 1, bench: path.join(top, 'build/tests/bench-model'), models: [] };
  const flags = ['table', 'wasm', 'load'], numbers = ['rounds', 'runs', 'sessions'];
  const texts = ['only', 'threads', 'json', 'bench', 'shape'];
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i].startsWith('--') ? argv[i].slice(2) : null;
    if (name === null) o.models.push(argv[i]);
    else if (flags.includes(name)) o[name] = true;
    else if (numbers.includes(name) && Number(argv[i + 1]) >= 1) o[name] = Number(argv[++i]);
    else if (texts.includes(name) && i + 1 < argv.length) o[name] = argv[++i];
    else usage(`option ${argv[i]}`);
  }
  if (!o.table === !o.models.length) usage('models, or --table');
  o.threads = (o.threads ?? (o.wasm ? '2' : '1,2')).split(',').map(Number);
  return o;
}

// ---- one row ----------------------------------------------------------------------------------

const median = (a) => [...a].sort((x, y) => x - y)[a.length >> 1]; // of none: undefined
const json_of = (text) => JSON.parse(text.trim().split('\n').pop());
const start = (file, args) => json_of(execFileSync(file, args,
  { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }));

function ours(o, row, threads) {
  const args = ['--threads', threads, '--runs', o.runs, '--sessions', o.sessions,
    ...(row.case ? ['--case', row.case] : []), ...(row.shape ? ['--shape', row.shape] : []),
    ...(o.image ? ['--image', o.image] : []), row.model].map(String);
  if (!o.image) return start(o.bench, args);
  rmSync(o.image, { force: true });
  const first = start(o.bench, args), again = start(o.bench, args); // packed, and from what was packed
  return { ...again, peak_rss_mb: first.peak_rss_mb, again_rss_mb: again.peak_rss_mb, first_load_ms: first.load_ms, first_load_cpu_ms: first.load_cpu_ms };
}

function theirs(o, row, threads) {
  const { model, shape } = row, kase = row.case;
  return start(process.execPath, [path.join(__dirname, 'ort_peer.cjs'), JSON.stringify(
    { model, case: kase, shape, wasm: o.wasm, threads: o.wasm ? 1 : threads, runs: o.runs, sessions: o.sessions })]);
}

function compare(o, row, threads) {
  const a = [], b = [];
  for (let r = 0; r < o.rounds; r++) { a.push(ours(o, row, threads)); b.push(theirs(o, row, threads)); }
  const m = (runs, key) => median(runs.map((x) => x[key]));
  const ratio = (key, of = key) => m(b, of) / m(a, key);
  const spread = (runs) => [Math.min, Math.max].map((f) => f(...runs.map((x) => x.median_ms)));
  return {
    model: row.name, kind: row.kind, bar: row.bar, threads, rounds: o.rounds, runs: o.runs,
    cpu_level: a[0].cpu_level, peer: b[0].version,
    ours_ms: m(a, 'median_ms'), theirs_ms: m(b, 'median_ms'), ratio: ratio('median_ms'),
    least_ratio: Math.min(...b.map((x) => x.min_ms)) / Math.min(...a.map((x) => x.min_ms)),
    ours_spread: spread(a), theirs_spread: spread(b),
    cpu_ratio: ratio('cpu_ms'), tail: m(a, 'p99_ms') / m(a, 'median_ms'),
    tail_alone: m(a.filter((x) => x.p99_alone_ms), 'p99_alone_ms') / m(a, 'median_ms') || null, preempted_runs: m(a, 'preempted_runs'),
    load_ratio: ratio('load_ms'),
    ours_rss_mb: m(a, 'peak_rss_mb'), theirs_rss_mb: m(b, 'peak_rss_mb'), rss_ratio: 1 / ratio('peak_rss_mb'),
    ...(o.load ? {
      first_load_ratio: ratio('first_load_ms', 'load_ms'), load_cpu_ratio: ratio('load_cpu_ms'),
      first_load_cpu_ratio: ratio('first_load_cpu_ms', 'load_cpu_ms'), again_rss_mb: m(a, 'again_rss_mb'),
    } : {}),
    ...(o.sessions > 1 ? {
      sessions: o.sessions, model_mb: m(a, 'model_mb'), arena_mb: m(a, 'arena_mb'),
      ours_session_mb: (m(a, 'rss_sessions_mb') - m(a, 'rss_mb')) / (o.sessions - 1),
      theirs_session_mb: (m(b, 'rss_sessions_mb') - m(b, 'rss_mb')) / (o.sessions - 1),
    } : {}),
  };
}

// ---- all of them ------------------------------------------------------------------------------

const f = (x, width = 0) => x.toFixed(x < 10 ? 3 : 1).padStart(width);

function print(r) {
  const range = (s) => s.map((x) => x.toFixed(2)).join('–');
  console.log(`${String(r.threads).padStart(7)} ${f(r.ours_ms, 9)} ${f(r.theirs_ms, 9)} ${f(r.ratio, 7)} `
    + `${r.bar ? r.bar.toFixed(2).padStart(5) + (r.ratio < r.bar ? ' <' : '  ') : '    -  '} `
    + `${f(r.least_ratio, 7)} ${f(r.cpu_ratio, 7)} ${f(r.tail, 7)} ${r.tail_alone ? f(r.tail_alone, 7) : '      -'} ${f(r.load_ratio, 8)} ${f(r.rss_ratio, 7)}  `
    + `${r.model}  (${r.cpu_level}; ${r.peer}; spread ${range(r.ours_spread)} / ${range(r.theirs_spread)})`);
  if (r.first_load_ratio)
    console.log(`#   load, theirs / ours: first ever ${f(r.first_load_ratio)} (CPU time ${f(r.first_load_cpu_ratio)}),`
      + ` weights packed before ${f(r.load_ratio)} (CPU time ${f(r.load_cpu_ratio)}), then ${f(r.again_rss_mb)} MiB at most`);
  if (r.sessions)
    console.log(`#   one more session: ${f(r.ours_session_mb)} MiB (its arena ${f(r.arena_mb)}, the model keeps`
      + ` ${f(r.model_mb)}), theirs ${f(r.theirs_session_mb)}`);
}

function summary(rows) {
  const failed = rows.filter((r) => r.bar && r.ratio < r.bar);
  const judged = rows.filter((r) => r.bar).length;
  if (!judged) return;
  console.log(`# ${judged - failed.length} of ${judged} reach their bar`);
  for (const r of failed) console.log(`#   ${f(r.ratio)} of ${r.bar}: ${r.model}, ${r.threads} threads`);
}

function main() {
  const o = options(process.argv.slice(2));
  if (o.models.includes('@list')) {
    console.log(graphs.names().map((n) => `@${n}`).join('\n'));
    return;
  }
  const folder = mkdtempSync(path.join(os.tmpdir(), 'compare-ort-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  if (o.load) o.image = path.join(folder, 'image');
  const wanted = o.table ? table.rows(top, o.only && new RegExp(o.only), o.wasm)
    : o.models.map((m) => { const [model, kase] = m.split('='); return { model, case: kase, shape: o.shape }; });
  const rows = [];
  console.log(`# ${os.cpus()[0].model}, ${os.cpus().length} CPUs; ${o.rounds} rounds in turn of ${o.runs} runs; ms are medians;`
    + ' ratio = theirs / ours (bar: what is wanted), least = of the shortest runs, cpu = of CPU time, tail = p99 / median of ours, alone = the same of runs that no other process interrupted,'
    + ' rss = ours / theirs');
  console.log('threads      ours    theirs   ratio    bar     least     cpu    tail   alone   load ×   rss ×  model');
  for (const given of wanted) {
    const row = { ...given, name: path.relative('.', given.model) };
    if (given.model.startsWith('@')) {
      row.name = given.model;
      row.model = path.join(folder, 'made.onnx');
      graphs.write(given.model.slice(1), row.model);
    }
    for (const threads of o.threads) {
      rows.push(compare(o, row, threads));
      print(rows.at(-1));
    }
  }
  summary(rows);
  if (o.json) writeFileSync(o.json, JSON.stringify({ cpu: os.cpus()[0].model, cpus: os.cpus().length, node: process.version, rows }, null, 1) + '\n');
}

main();
