// SPDX-License-Identifier: MIT
//
// Gives a TensorFlow Lite model the metadata that MediaPipe asks of a picture model: by which mean and deviation its
// pixels are scaled. FlatBuffers by hand: a new root table in front of the old file, which stays as it is.

/** A buffer that grows; what is written refers to what comes after it, as unsigned offsets want. */
class Writer {
  constructor() {
    this.data = Buffer.alloc(0);
  }

  add(bytes, align = 4, ahead = 0) {
    const gap = (align - (this.data.length + ahead) % align) % align, at = this.data.length + gap;
    this.data = Buffer.concat([this.data, Buffer.alloc(gap), bytes]);
    return at;
  }

  point(from, to) {
    this.data.writeUInt32LE(to - from, from);
  }

  /** fields: nothing, { value } (at most 32 bits) or a function that writes what is referred to and says where */
  table(fields) {
    const rows = Buffer.alloc(4 + 2 * fields.length), body = Buffer.alloc(4 + 4 * fields.length);
    rows.writeUInt16LE(rows.length, 0);
    rows.writeUInt16LE(body.length, 2);
    fields.forEach((field, i) => field && rows.writeUInt16LE(4 + 4 * i, 4 + 2 * i));
    fields.forEach((field, i) => field && typeof field !== 'function' && body.writeUInt32LE(field.value, 4 + 4 * i));
    const table = this.add(rows), at = this.add(body);
    this.data.writeInt32LE(at - table, at);
    fields.forEach((field, i) => typeof field === 'function' && this.point(at + 4 + 4 * i, field()));
    return at;
  }

  vector(items) {
    const at = this.add(Buffer.alloc(4 + 4 * items.length));
    this.data.writeUInt32LE(items.length, at);
    items.forEach((item, i) => this.point(at + 4 + 4 * i, item()));
    return at;
  }

  counted(bytes, size = 1, align = 4) {
    const head = Buffer.alloc(4);
    head.writeUInt32LE(bytes.length / size);
    return this.add(Buffer.concat([head, bytes, Buffer.alloc(1)]), align, 4);
  }
}

/** ModelMetadata (file identifier M001): one input of pixels, one output. */
function metadata(mean, deviation) {
  const w = new Writer(), floats = (list) => () => w.counted(Buffer.from(Float32Array.from(list).buffer), 4);
  w.add(Buffer.from('\0\0\0\0M001'));
  const options = () => w.table([floats(mean), floats(deviation)]);
  const unit = () => w.table([{ value: 1 }, options]); // 1: NormalizationOptions
  const input = () => w.table([null, null, null, null, () => w.vector([unit])]);
  const subgraph = () => w.table([null, null, () => w.vector([input]), () => w.vector([() => w.table([])])]);
  w.point(0, w.table([null, null, null, () => w.vector([subgraph])]));
  return w.data;
}

/** The fields of the root table that a model has: where each is, or what it refers to. */
function rootOf(old) {
  const root = old.readUInt32LE(0), rows = root - old.readInt32LE(root);
  return Array.from({ length: (old.readUInt16LE(rows) - 4) / 2 }, (_, i) => {
    const offset = old.readUInt16LE(rows + 4 + 2 * i), at = root + offset;
    return offset && { value: old.readUInt32LE(at), to: at + old.readUInt32LE(at) };
  });
}

export function withMetadata(old, mean, deviation) {
  const [version, ...rest] = rootOf(old), buffers = rest[3].to, count = old.readUInt32LE(buffers);
  const own = metadata(mean, deviation);
  const front = (base) => {
    const w = new Writer(), stays = (field) => field && (() => base + field.to);
    w.add(Buffer.from('\0\0\0\0TFL3'));
    const all = Array.from({ length: count }, (_, i) => {
      const at = buffers + 4 + 4 * i;
      return () => base + at + old.readUInt32LE(at);
    });
    const mine = () => w.table([() => w.counted(own, 1, 16)]);
    const name = () => w.counted(Buffer.from('TFLITE_METADATA'));
    w.point(0, w.table([{ value: version.value }, stays(rest[0]), stays(rest[1]), stays(rest[2]),
      () => w.vector([...all, mine]), null, () => w.vector([() => w.table([name, { value: count }])]), stays(rest[6])]));
    return w.data;
  };
  const size = Math.ceil(front(1 << 20).length / 16) * 16, head = front(size);
  return Buffer.concat([head, Buffer.alloc(size - head.length), old]);
}
