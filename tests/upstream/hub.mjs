// SPDX-License-Identifier: MIT
// hub.mjs — a model hub to be mistreated: two listeners on loopback (the hub itself and the store of
// large files that it redirects to), LFS headers, a listing, and a fault for everything that an
// upstream may do wrong. Counts every byte that it sends. Never leaves 127.0.0.1.

import { createHash } from 'node:crypto';
import http from 'node:http';

export const sha256 = (data) => createHash('sha256').update(data).digest('hex');

// the same of a file that is asked for again and again: a hub knows its digests
const known = new WeakMap();
const digestOf = (data) => known.get(data) ?? (known.set(data, sha256(data)), known.get(data));

// content(SEED, SIZE): bytes that do not repeat and are the same every time
export function content(seed, size) {
  const out = Buffer.allocUnsafe(size);
  let x = (0x9e3779b9 ^ seed) >>> 0;
  for (let i = 0; i + 4 <= size; i += 4) {
    x ^= x << 13; x >>>= 0;
    x ^= x >>> 17;
    x ^= x << 5; x >>>= 0;
    out.writeUInt32LE(x, i);
  }
  for (let i = size & ~3; i < size; i++) out[i] = i & 255;
  return out;
}

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export class Hub {
  constructor() {
    this.models = new Map(); // name → { commit, files: Map(path → Buffer), old: Map(commit → files) }
    this.fault = () => null; // (request facts) → what to do wrong, or null
    this.rate = 0; // bytes per second and answer; 0 = as fast as it goes
    this.lfs = 1 << 20; // from this size on files are redirected
    this.listing = null; // overrides the listing's JSON
    this.reset();
  }

  reset() {
    this.bytes = 0; // of bodies, as handed to the kernel
    this.requests = [];
    this.bodies = 0; // answers to GET with a body of a file
    this.sending = this.most = 0; // bodies on their way, and how many at once
    this.fault = () => null;
    this.rate = 0;
    this.listing = null;
  }

  // put(NAME, COMMIT, FILES): the model is now this; what it was stays reachable by its commit
  put(name, commit, files) {
    const was = this.models.get(name);
    const old = was ? was.old : new Map();
    const map = new Map(Object.entries(files));
    old.set(commit, map);
    this.models.set(name, { commit, files: map, old });
  }

  async start() {
    this.front = http.createServer((rq, rs) => this.hub(rq, rs));
    this.cdn = http.createServer((rq, rs) => this.large(rq, rs));
    for (const s of [this.front, this.cdn]) {
      s.keepAliveTimeout = 2000;
      await new Promise((done) => s.listen(0, '127.0.0.1', done));
    }
    this.port = this.front.address().port;
    this.cdnPort = this.cdn.address().port;
    this.url = `http://127.0.0.1:${this.port}`;
  }

  async stop() {
    for (const s of [this.front, this.cdn]) {
      s.closeAllConnections();
      await new Promise((done) => s.close(done));
    }
  }

  note(rq, where) {
    const url = new URL(rq.url, 'http://hub');
    const facts = { where, method: rq.method, path: decodeURIComponent(url.pathname), headers: rq.headers, range: rq.headers.range, n: this.requests.length };
    this.requests.push(facts);
    return facts;
  }

  hub(rq, rs) {
    const facts = this.note(rq, 'hub');
    const fault = this.fault(facts);
    if (fault && this.misbehave(fault, facts, rq, rs)) return;
    let m = /^\/api\/models\/([^/]+(?:\/[^/]+)?)\/revision\/(.+)$/.exec(facts.path);
    if (m) return this.list(m[1], m[2], rs);
    m = /^\/([^/]+(?:\/[^/]+)?)\/resolve\/([^/]+)\/(.+)$/.exec(facts.path);
    const model = m && this.models.get(m[1]);
    const files = model && (m[2] === 'main' || m[2] === model.commit ? model.files : model.old.get(m[2]));
    if (!model || !files) return this.refuse(rs, 404, { 'x-error-code': 'RepoNotFound' });
    const commit = m[2] === 'main' ? model.commit : m[2];
    const data = files.get(m[3]);
    if (!data) return this.refuse(rs, 404, { 'x-error-code': 'EntryNotFound', 'x-repo-commit': commit });
    const head = { 'x-repo-commit': commit };
    if (data.length >= this.lfs) {
      Object.assign(head, {
        location: fault?.location ?? `http://127.0.0.1:${this.cdnPort}/cdn/${commit}/${m[1]}/${m[3]}`,
        'x-linked-etag': `"${fault?.digest ?? digestOf(data)}"`,
        'x-linked-size': String(fault?.linkedSize ?? data.length),
      });
      rs.writeHead(302, head);
      return rs.end();
    }
    head.etag = `"${createHash('sha1').update(data).digest('hex')}"`;
    this.send(rq, rs, data, head, fault);
  }

  large(rq, rs) {
    const facts = this.note(rq, 'cdn');
    const fault = this.fault(facts);
    if (fault && this.misbehave(fault, facts, rq, rs)) return;
    const m = /^\/cdn\/([^/]+)\/([^/]+(?:\/[^/]+)?)\/([^/].*)$/.exec(facts.path);
    // the model's name has one or two segments: try both
    for (const [name, model] of this.models) {
      const files = m && model.old.get(m[1]);
      const rest = facts.path.slice(`/cdn/${m[1]}/`.length);
      if (!files || !rest.startsWith(name + '/')) continue;
      const data = files.get(rest.slice(name.length + 1));
      if (data) return this.send(rq, rs, fault?.data ?? data, { etag: fault?.etag ?? `"${digestOf(data).slice(0, 32)}"` }, fault);
    }
    this.refuse(rs, 404, {});
  }

  list(name, revision, rs) {
    const model = this.models.get(name);
    if (!model || this.listing === 404) return this.refuse(rs, 404, {});
    if (this.listing) {
      rs.writeHead(200, { 'content-type': 'application/json' });
      return rs.end(this.listing);
    }
    const commit = revision === 'main' ? model.commit : revision;
    const files = model.old.get(commit);
    if (!files) return this.refuse(rs, 404, {});
    const siblings = [...files].map(([rfilename, data]) => ({
      rfilename, size: data.length, blobId: '0'.repeat(40),
      ...(data.length >= this.lfs ? { lfs: { sha256: digestOf(data), size: data.length, pointerSize: 130 } } : {}),
    }));
    rs.writeHead(200, { 'content-type': 'application/json' });
    rs.end(JSON.stringify({ id: name, sha: commit, siblings }));
  }

  refuse(rs, status, head) {
    rs.writeHead(status, { 'content-type': 'application/json', ...head });
    rs.end('{"error":"no"}');
  }

  // What a fault says to do instead of answering; true: it was done.
  misbehave(fault, facts, rq, rs) {
    if (fault.status) {
      this.refuse(rs, fault.status, fault.head ?? {});
      return true;
    }
    if (fault.redirect) {
      rs.writeHead(302, { location: fault.redirect });
      rs.end();
      return true;
    }
    if (fault.hang) return true;
    if (fault.reset) {
      rq.socket.destroy();
      return true;
    }
    if (fault.headers) {
      rs.socket.write('HTTP/1.1 200 OK\r\n');
      const line = `X-Large: ${'x'.repeat(1000)}\r\n`;
      let left = fault.headers;
      const more = () => {
        while (left > 0 && !rs.socket.destroyed) {
          left -= line.length;
          if (!rs.socket.write(line)) return rs.socket.once('drain', more);
        }
        rs.socket.destroy();
      };
      more();
      return true;
    }
    if (fault.endless) {
      rs.writeHead(200, fault.head ?? {}); // chunked
      const block = Buffer.alloc(1 << 16, 'endless ');
      const more = () => {
        while (!rs.destroyed && rs.write(block)) this.bytes += block.length;
        if (!rs.destroyed) rs.once('drain', more);
      };
      more();
      return true;
    }
    return false;
  }

  async send(rq, rs, data, head, fault) {
    const range = /^bytes=(\d+)-(\d*)$/.exec(rq.headers.range ?? '');
    let from = 0, to = data.length - 1, status = 200;
    if (range && !fault?.noRanges) {
      from = Number(range[1]);
      to = range[2] === '' ? to : Math.min(Number(range[2]), to);
      if (from >= data.length) {
        rs.writeHead(416, { 'content-range': `bytes */${data.length}` });
        return rs.end();
      }
      status = 206;
      head['content-range'] = `bytes ${from}-${to}/${data.length}`;
    }
    if (fault?.encoding) head['content-encoding'] = fault.encoding;
    head['accept-ranges'] = 'bytes';
    const size = to - from + 1;
    if (!fault?.chunked) head['content-length'] = String(size + (fault?.lie ?? 0));
    rs.writeHead(status, head);
    if (rq.method === 'HEAD') return rs.end();
    this.bodies++;
    this.most = Math.max(this.most, ++this.sending);
    rs.on('close', () => { this.sending--; });
    const die = fault?.dieAfter ?? Infinity;
    const stall = fault?.stallAfter ?? Infinity;
    const begin = Date.now();
    for (let at = 0; at < size; ) {
      const step = this.rate ? Math.min(16384, Math.max(1024, Math.floor(this.rate / 100))) : 1 << 16;
      const n = Math.min(step, size - at, die - at, stall - at);
      if (n <= 0) {
        if (at >= stall) return; // and never another byte
        rq.socket.destroy();
        return;
      }
      if (rs.destroyed) return;
      const ok = rs.write(data.subarray(from + at, from + at + n));
      at += n;
      this.bytes += n;
      if (!ok) await new Promise((done) => {
        const go = () => { rs.off('drain', go); rs.off('close', go); done(); };
        rs.on('drain', go);
        rs.on('close', go);
      });
      if (this.rate) {
        const ahead = (at / this.rate) * 1000 - (Date.now() - begin);
        if (ahead > 1) await sleep(ahead);
      }
    }
    rs.end();
  }
}
