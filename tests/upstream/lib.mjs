// SPDX-License-Identifier: MIT
// lib.mjs — a larderd of the test's own in front of a hub of its own, and requests to both sides.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const top = process.env.top_builddir
  ? path.resolve(process.env.top_builddir)
  : path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../build');

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// until(WHAT, FN): waits until FN gives something, for at most a while
export async function until(what, fn, ms = 20000) {
  const end = Date.now() + ms;
  for (;;) {
    const v = await fn();
    if (v) return v;
    if (Date.now() > end) throw new Error(`waited in vain until ${what}`);
    await sleep(25);
  }
}

// below the ports that the system gives out by itself
let port = 11000 + ((process.pid * 37) % 20000);

export class Larder {
  constructor(hub, section = {}, global = {}) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'larder-upstream-'));
    this.section = { url: hub.url, private: 'yes', retries: 3, stall_timeout: 2, ...section };
    this.global = global;
    this.log = '';
  }

  write() {
    const lines = Object.entries(this.global).map(([k, v]) => `${k} = ${v}`);
    lines.push('[upstream hub]', ...Object.entries(this.section).map(([k, v]) => `${k} = ${v}`));
    fs.writeFileSync(path.join(this.dir, 'conf'), lines.join('\n') + '\n');
  }

  async start(...args) {
    for (let tries = 0; ; tries++) {
      try {
        return await this.startOnce(...args);
      } catch (e) {
        if (tries === 5 || !this.log.includes('Address already in use')) throw e;
        this.log = '';
      }
    }
  }

  async startOnce(...args) {
    this.write();
    this.socket = path.join(this.dir, 's');
    this.port = port++;
    this.child = spawn(path.join(top, 'larderd'), [
      '--config', path.join(this.dir, 'conf'), '--state-dir', path.join(this.dir, 'state'),
      '--listen', `127.0.0.1:${this.port}`, '--admin-socket', this.socket, ...args,
    ]);
    this.ended = new Promise((done) => this.child.on('exit', (code, signal) => done({ code, signal })));
    this.child.stderr.on('data', (d) => { this.log += d; });
    let over = false;
    this.ended.then(() => { over = true; });
    await until('larderd answers', async () => {
      if (over) throw new Error(`larderd does not start:\n${this.log}`);
      return this.get('/healthz').then((r) => r.status === 200, () => false);
    });
  }

  async stop(signal = 'SIGTERM') {
    this.child.kill(signal);
    return this.ended;
  }

  async done() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) await this.stop('SIGKILL');
    if (process.env.UPSTREAM_LOG) fs.appendFileSync(process.env.UPSTREAM_LOG, this.log); // what sanitizers say, for one
    fs.rmSync(this.dir, { recursive: true, force: true });
  }

  // get(PATH): status, headers, body, and whether the body was broken off
  get(target, headers = {}, method = 'GET') {
    const begin = process.hrtime.bigint();
    const ms = () => Number(process.hrtime.bigint() - begin) / 1e6;
    return new Promise((done, fail) => {
      const rq = http.request({ host: '127.0.0.1', port: this.port, path: target, method, headers, agent: false }, (rs) => {
        const parts = [];
        let first;
        const end = (broken) => done({ status: rs.statusCode, headers: rs.headers, body: Buffer.concat(parts), broken, first, ms: ms() });
        rs.on('data', (d) => { first ??= ms(); parts.push(d); });
        rs.on('end', () => end(!rs.complete));
        rs.on('error', () => end(true));
      });
      rq.on('error', fail);
      rq.end();
    });
  }

  admin(method, target, body) {
    return new Promise((done, fail) => {
      const rq = http.request({
        socketPath: this.socket, path: target, method, agent: false,
        headers: { host: 'localhost', ...(body ? { 'content-type': 'application/json' } : {}) },
      }, (rs) => {
        let text = '';
        rs.on('data', (d) => { text += d; });
        rs.on('end', () => done({ status: rs.statusCode, headers: rs.headers, text, json: text.startsWith('{') ? JSON.parse(text) : null }));
        rs.on('error', fail);
      });
      rq.on('error', fail);
      rq.end(body && JSON.stringify(body));
    });
  }

  async warm(ask) {
    const r = await this.admin('POST', '/admin/v1/warm', ask);
    assert.equal(r.status, 202, r.text);
    return r.json.job;
  }

  job(id) {
    return this.admin('GET', `/admin/v1/jobs/${id}`).then((r) => r.json);
  }

  jobOver(id, ms = 30000) {
    return until(`job ${id} is over`, async () => {
      const job = await this.job(id);
      return ['done', 'failed', 'cancelled'].includes(job.state) && job;
    }, ms);
  }

  // command(ARGS…): larderctl with them, for a shell
  command(...args) {
    return [path.join(top, 'larderctl'), '--admin-socket', this.socket, ...args].map((a) => `'${a}'`).join(' ');
  }

  ctl(...args) {
    return new Promise((done) => {
      const child = spawn(path.join(top, 'larderctl'), ['--admin-socket', this.socket, ...args]);
      let out = '', err = '';
      child.stdout.on('data', (d) => { out += d; });
      child.stderr.on('data', (d) => { err += d; });
      child.on('exit', (code) => done({ code, out, err }));
    });
  }

  // files(MODEL): how many its name has; 0 when there is no such name
  async files(model) {
    const { models } = (await this.admin('GET', '/admin/v1/models')).json;
    return models.find((m) => m.id === model)?.files ?? 0;
  }

  // what is stored: nothing, for a store that must not have published anything
  async stored() {
    return (await this.admin('GET', '/admin/v1/stats')).json.store;
  }
}
