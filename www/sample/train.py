#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Draw digits, learn them, and write the sample model that larder carries.

Nothing here comes from a data set: the digits 0-9 are drawn by this file as pen
strokes (strokes.py), the way a finger or a mouse would draw them on the demo
page, and rasterised exactly as the demo page does (www/demo/raster.js).

    ./train.py            train, print the accuracy, write the files below
    ./train.py --check    no training: evaluate the weights that are stored here

    model.onnx            ONNX (IR 8, opset 13): image [N,1,28,28] -> probabilities [N,10]
    weights-1.bin         external data: the two convolutions
    weights-2.bin         external data: the two fully connected layers
    reference.json        inputs and outputs computed by numpy, for tests
    digit.json            a drawn 7 as the body of an infer request, for curl
    ../demo/strokes.json  strokes for the "draw one for me" button of the demo

Needs python3 and numpy, one core and about four minutes. Same seed, same numpy
and same BLAS give the same bytes; another BLAS rounds differently.
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"  # before numpy is loaded: sums in one order only

import json
import pathlib
import sys
import time

sys.dont_write_bytecode = True  # strokes.py and onnx_write.py leave nothing in the tree

import numpy as np

import onnx_write
import strokes

HERE = pathlib.Path(__file__).resolve().parent
SEED_TRAIN, SEED_EVAL, SEED_INIT, SEED_SHOW = 20_01, 77_77, 5, 42
TRAIN_COUNT, EVAL_COUNT, EPOCHS, BATCH = 50_000, 10_000, 6, 64
CONV1, CONV2, HIDDEN = 8, 16, 64  # channels, channels, units: 52,138 weights


# --- the network: NHWC inside, so that every convolution is one matrix product --------

def init_weights(rng):
    """He-normal weights, zero biases. Convolutions are [k*k*c_in][c_out]."""
    def he(rows, cols):
        return (rng.standard_normal((rows, cols)) * np.sqrt(2 / rows)).astype(np.float32)

    def zero(count):
        return np.zeros(count, np.float32)

    return {
        "conv1.w": he(3 * 3, CONV1), "conv1.b": zero(CONV1),
        "conv2.w": he(3 * 3 * CONV1, CONV2), "conv2.b": zero(CONV2),
        "fc1.w": he(7 * 7 * CONV2, HIDDEN), "fc1.b": zero(HIDDEN),
        "fc2.w": he(HIDDEN, 10), "fc2.b": zero(10),
    }


def im2col(x, k):
    """[N,H,W,C] -> [N*H*W][k*k*C] for a k x k window with same padding."""
    n, h, w, c = x.shape
    p = k // 2
    x = np.pad(x, ((0, 0), (p, p), (p, p), (0, 0)))
    cols = np.empty((n, h, w, k, k, c), np.float32)
    for i in range(k):
        for j in range(k):
            cols[:, :, :, i, j] = x[:, i:i + h, j:j + w]
    return cols.reshape(n * h * w, k * k * c)


def col2im(cols, shape, k):
    """The gradient of im2col: add every window's part back to where it came from."""
    n, h, w, c = shape
    p = k // 2
    out = np.zeros((n, h + 2 * p, w + 2 * p, c), np.float32)
    cols = cols.reshape(n, h, w, k, k, c)
    for i in range(k):
        for j in range(k):
            out[:, i:i + h, j:j + w] += cols[:, :, :, i, j]
    return out[:, p:p + h, p:p + w]


def quarters(x):
    """The four parts that a 2 x 2 window with stride 2 looks at."""
    return x[:, ::2, ::2], x[:, ::2, 1::2], x[:, 1::2, ::2], x[:, 1::2, 1::2]


def max_pool(x):
    a, b, c, d = quarters(x)
    return np.maximum(np.maximum(a, b), np.maximum(c, d))


def relu_pool_back(dy, x, y):
    """Gradient through y = max_pool(x), x = relu(...): to whoever won, if it was above 0."""
    dx = np.empty_like(x)
    dy = dy * (y > 0)
    for part, grad in zip(quarters(x), quarters(dx)):
        grad[...] = dy * (part == y)
    return dx


def forward(p, x):
    """x [N,28,28] -> (logits [N,10], what backward() needs)."""
    n = len(x)
    cols1 = im2col(x[..., None], 3)
    a1 = np.maximum(cols1 @ p["conv1.w"] + p["conv1.b"], 0).reshape(n, 28, 28, CONV1)
    m1 = max_pool(a1)
    cols2 = im2col(m1, 3)
    a2 = np.maximum(cols2 @ p["conv2.w"] + p["conv2.b"], 0).reshape(n, 14, 14, CONV2)
    m2 = max_pool(a2)
    flat = m2.reshape(n, -1)
    h = np.maximum(flat @ p["fc1.w"] + p["fc1.b"], 0)
    return h @ p["fc2.w"] + p["fc2.b"], (cols1, a1, m1, cols2, a2, m2, flat, h)


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def backward(p, kept, dz, drop):
    cols1, a1, m1, cols2, a2, m2, flat, h = kept
    g = {"fc2.w": (h * drop).T @ dz, "fc2.b": dz.sum(0)}
    dh = (dz @ p["fc2.w"].T) * drop * (h > 0)
    g["fc1.w"], g["fc1.b"] = flat.T @ dh, dh.sum(0)
    dm2 = (dh @ p["fc1.w"].T).reshape(m2.shape)
    da2 = relu_pool_back(dm2, a2, m2).reshape(-1, CONV2)
    g["conv2.w"], g["conv2.b"] = cols2.T @ da2, da2.sum(0)
    dm1 = col2im(da2 @ p["conv2.w"].T, m1.shape, 3)
    da1 = relu_pool_back(dm1, a1, m1).reshape(-1, CONV1)
    g["conv1.w"], g["conv1.b"] = cols1.T @ da1, da1.sum(0)
    return g


def train(x, y):
    """Adam, cosine learning rate, dropout on the hidden layer, small label smoothing."""
    rng = np.random.default_rng(SEED_INIT)
    p = init_weights(rng)
    m = {k: np.zeros_like(v) for k, v in p.items()}
    v = {k: np.zeros_like(w) for k, w in p.items()}
    steps, step, began = EPOCHS * (len(x) // BATCH), 0, time.time()
    for epoch in range(EPOCHS):
        order, loss_sum, right = rng.permutation(len(x)), 0.0, 0
        for at in range(0, len(x) - BATCH + 1, BATCH):
            pick = order[at:at + BATCH]
            _, kept = forward(p, x[pick])
            h = kept[-1]
            drop = (rng.random(h.shape) < 0.8).astype(np.float32) / np.float32(0.8)
            prob = softmax((h * drop) @ p["fc2.w"] + p["fc2.b"])
            want = np.full((BATCH, 10), 0.02 / 10, np.float32)
            want[np.arange(BATCH), y[pick]] += 0.98
            loss_sum -= np.log(prob[np.arange(BATCH), y[pick]] + 1e-9).sum()
            right += (prob.argmax(1) == y[pick]).sum()
            grads = backward(p, kept, (prob - want) / BATCH, drop)
            step += 1
            rate = 2e-3 * 0.5 * (1 + np.cos(np.pi * step / steps)) + 1e-5
            for k, g in grads.items():
                m[k] += 0.1 * (g - m[k])
                v[k] += 0.001 * (g * g - v[k])
                adam = (m[k] / (1 - 0.9 ** step)) / (np.sqrt(v[k] / (1 - 0.999 ** step)) + 1e-8)
                p[k] -= (rate * (adam + 1e-4 * p[k])).astype(np.float32)
        seen = len(x) // BATCH * BATCH
        print(f"epoch {epoch + 1}/{EPOCHS}  loss {loss_sum / seen:.4f}  "
              f"accuracy {right / seen:.4f}  {time.time() - began:.0f} s", flush=True)
    return p


# --- evaluation ------------------------------------------------------------------------

def predict(p, x):
    return np.concatenate([softmax(forward(p, x[i:i + 500])[0]) for i in range(0, len(x), 500)])


def evaluate(p):
    """Three sets that training never drew. Returns the accuracy over all of them."""
    rng = np.random.default_rng(SEED_EVAL)
    sets = [
        ("seen shapes, training distortions", strokes.TRAIN, strokes.MILD),
        ("seen shapes, harder distortions", strokes.TRAIN, strokes.HARD),
        ("unseen shapes, harder distortions", strokes.HELD_OUT, strokes.HARD),
    ]
    total = right = 0
    confused = np.zeros((10, 10), int)
    for name, shapes, how in sets:
        x, y = strokes.draw_set(rng, EVAL_COUNT, shapes, how)
        got = predict(p, x).argmax(1)
        np.add.at(confused, (y, got), 1)
        print(f"accuracy {(got == y).mean():.4f}  ({len(y)} digits: {name})")
        total, right = total + len(y), right + (got == y).sum()
    print("confusions (drawn -> read):", ", ".join(
        f"{a}->{b} {confused[a, b]}" for a, b in sorted(
            ((a, b) for a in range(10) for b in range(10) if a != b and confused[a, b]),
            key=lambda ab: -confused[ab])[:8]))
    print(f"accuracy {right / total:.4f}  (all {total} digits)")
    return right / total


# --- files -----------------------------------------------------------------------------

def to_onnx(p):
    """NHWC matrices -> the NCHW tensors that ONNX wants; fc1 rows are re-ordered to match."""
    fc1 = p["fc1.w"].reshape(7, 7, CONV2, HIDDEN).transpose(2, 0, 1, 3).reshape(-1, HIDDEN)
    return {
        "conv1.weight": p["conv1.w"].reshape(3, 3, 1, CONV1).transpose(3, 2, 0, 1),
        "conv1.bias": p["conv1.b"],
        "conv2.weight": p["conv2.w"].reshape(3, 3, CONV1, CONV2).transpose(3, 2, 0, 1),
        "conv2.bias": p["conv2.b"],
        "fc1.weight": fc1.T, "fc1.bias": p["fc1.b"],
        "fc2.weight": p["fc2.w"].T, "fc2.bias": p["fc2.b"],
    }


def from_onnx(t):
    """The inverse of to_onnx, for --check."""
    fc1 = t["fc1.weight"].T.reshape(CONV2, 7, 7, HIDDEN).transpose(1, 2, 0, 3)
    return {
        "conv1.w": t["conv1.weight"].transpose(2, 3, 1, 0).reshape(9, CONV1),
        "conv1.b": t["conv1.bias"],
        "conv2.w": t["conv2.weight"].transpose(2, 3, 1, 0).reshape(9 * CONV1, CONV2),
        "conv2.b": t["conv2.bias"],
        "fc1.w": fc1.reshape(-1, HIDDEN), "fc1.b": t["fc1.bias"],
        "fc2.w": t["fc2.weight"].T, "fc2.b": t["fc2.bias"],
    }


SHARDS = (("weights-1.bin", ("conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias")),
          ("weights-2.bin", ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias")))
SHAPES = {"conv1.weight": (CONV1, 1, 3, 3), "conv1.bias": (CONV1,),
          "conv2.weight": (CONV2, CONV1, 3, 3), "conv2.bias": (CONV2,),
          "fc1.weight": (HIDDEN, 49 * CONV2), "fc1.bias": (HIDDEN,),
          "fc2.weight": (10, HIDDEN), "fc2.bias": (10,)}


def write_model(p):
    tensors, places = to_onnx(p), {}
    for file, names in SHARDS:
        data = bytearray()
        for name in names:
            data += bytes(-len(data) % 64)
            raw = np.ascontiguousarray(tensors[name], "<f4").tobytes()
            places[name] = (file, len(data), len(raw))
            data += raw
        (HERE / file).write_bytes(data)
    w = onnx_write
    nodes = [
        w.node("Conv", ["image", "conv1.weight", "conv1.bias"], ["conv1"],
               kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
        w.node("Relu", ["conv1"], ["relu1"]),
        w.node("MaxPool", ["relu1"], ["pool1"], kernel_shape=[2, 2], strides=[2, 2]),
        w.node("Conv", ["pool1", "conv2.weight", "conv2.bias"], ["conv2"],
               kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[1, 1]),
        w.node("Relu", ["conv2"], ["relu2"]),
        w.node("MaxPool", ["relu2"], ["pool2"], kernel_shape=[2, 2], strides=[2, 2]),
        w.node("Flatten", ["pool2"], ["flat"], axis=1),
        w.node("Gemm", ["flat", "fc1.weight", "fc1.bias"], ["fc1"], transB=1),
        w.node("Relu", ["fc1"], ["relu3"]),
        w.node("Gemm", ["relu3", "fc2.weight", "fc2.bias"], ["logits"], transB=1),
        w.node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = [w.external_tensor(name, tensors[name].shape, *places[name])
                 for _, names in SHARDS for name in names]
    graph = w.graph("digits", nodes, constants,
                    [w.float_value("image", ["N", 1, 28, 28])],
                    [w.float_value("probabilities", ["N", 10])])
    (HERE / "model.onnx").write_bytes(w.model(graph, ir_version=8, opset=13, producer="larder"))


def read_weights():
    tensors = {}
    for file, names in SHARDS:
        data, at = (HERE / file).read_bytes(), 0
        for name in names:
            at += -at % 64
            count = int(np.prod(SHAPES[name]))
            tensors[name] = np.frombuffer(data, "<f4", count, at).reshape(SHAPES[name])
            at += count * 4
    return from_onnx(tensors)


def write_reference(p):
    """One digit of each kind as strokes, as the 28 x 28 picture and as probabilities."""
    rng = np.random.default_rng(SEED_SHOW)
    cases = []
    for digit in range(10):
        shape = strokes.draw_strokes(rng, digit, strokes.TRAIN, strokes.MILD)
        shape = [np.round(s, 4) for s in shape]
        image = strokes.rasterise([strokes.frame(shape)], [strokes.PEN_RADIUS])[0]
        prob = predict(p, image[None])[0]
        cases.append({"digit": digit, "strokes": [s.tolist() for s in shape],
                      "image": [float(f"{v:.9g}") for v in image.ravel().astype(float)],
                      "probabilities": [float(f"{v:.9g}") for v in prob.astype(float)]})
    note = "strokes -> image as the demo page frames them; image -> probabilities by numpy"
    text = json.dumps({"note": note, "tolerance": 1e-4, "cases": cases}, separators=(",", ":"))
    (HERE / "reference.json").write_text(text.replace('{"digit"', '\n{"digit"') + "\n")
    ask = {"name": "image", "shape": [1, 1, 28, 28], "datatype": "FP32",
           "data": [round(v, 3) for v in cases[7]["image"]]}
    text = json.dumps({"inputs": [ask]}, separators=(",", ":")).replace("0.0,", "0,")
    (HERE / "digit.json").write_text(text + "\n")
    print("reference:", " ".join(
        f"{c['digit']}:{int(np.argmax(c['probabilities']))}" for c in cases))


def write_demo_strokes(p):
    """Four tidy drawings of each digit that the model reads with confidence."""
    rng = np.random.default_rng(SEED_SHOW + 1)
    shown = []
    for digit in range(10):
        kept = []
        while len(kept) < 4:
            shape = strokes.draw_strokes(rng, digit, strokes.TRAIN, strokes.TIDY)
            image = strokes.rasterise([strokes.frame(shape)], [strokes.PEN_RADIUS])
            if predict(p, image)[0, digit] > 0.97:
                kept.append([np.round(s, 3).tolist() for s in shape])
        shown.append(kept)
    text = json.dumps(shown, separators=(",", ":")).replace("[[[[", "\n[[[[")
    (HERE.parent / "demo").mkdir(exist_ok=True)
    (HERE.parent / "demo" / "strokes.json").write_text(text.strip() + "\n")


def main():
    if sys.argv[1:] == ["--check"]:
        return 0 if evaluate(read_weights()) >= 0.98 else 1
    began = time.time()
    x, y = strokes.draw_set(np.random.default_rng(SEED_TRAIN), TRAIN_COUNT,
                            strokes.TRAIN, strokes.MILD)
    print(f"{len(x)} digits drawn in {time.time() - began:.0f} s", flush=True)
    p = train(x, y)
    accuracy = evaluate(p)
    if accuracy < 0.98:
        print("accuracy is below 0.98: nothing written")
        return 1
    write_model(p)
    write_reference(p)
    write_demo_strokes(p)
    size = sum((HERE / f).stat().st_size for f in ("model.onnx", "weights-1.bin", "weights-2.bin"))
    print(f"wrote model.onnx and two shards, {size} bytes; {time.time() - began:.0f} s in all")
    return 0


if __name__ == "__main__":
    sys.exit(main())
