#!/usr/bin/env python3
"""Makes the small networks with which crates/detector tests how outputs are read, one of each family.

    make_test_models.py crates/detector/tests/models

Each has the output layout of its family and hardly anything before it: means of 8, 16 and 32 pixels squared, and one
random linear map. What ONNX Runtime answers to a computed picture is decoded here, independently of the product, by
the formulas that the families' authors publish, and kept as golden.json beside the network.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx_graph import OnnxGraph

SIZE = 64
STRIDES = (8, 16, 32)
CLASSES = ("ball", "person", "ring")
BINS = 5
MIN_SCORE = 0.3
NMS_IOU = 0.5
#: anchors of nanodet, where in a cell
MIDDLE, CORNER = 0.5, 0.0


def picture() -> np.ndarray:
    """[height, width, 3], red green blue; crates/detector/tests computes the same."""
    y, x, c = np.meshgrid(np.arange(SIZE), np.arange(SIZE), np.arange(3), indexing="ij")
    return (x * y * (c + 1) // 8 + 3 * x + 60 * c) % 256


def cells(anchor: float) -> np.ndarray:
    """x, y and stride of every cell, [M, 3]."""
    rows = []
    for stride in STRIDES:
        side = SIZE // stride
        rows += [((n % side + anchor) * stride, (n // side + anchor) * stride, stride) for n in range(side * side)]
    return np.array(rows, np.float32)


def head(graph: OnnxGraph, rng: np.random.Generator, scale: float, channels: list[tuple[float, float]]) -> str:
    """[1, K, M]: a random linear map of mean colours times `scale`; each channel has a mean and a spread."""
    levels = []
    for stride in STRIDES:
        mean = graph.node("AveragePool", ["images"], kernel_shape=[stride, stride], strides=[stride, stride])
        weights = rng.normal(0, 1, (len(channels), 3, 1, 1)) * np.array([spread for _, spread in channels]).reshape(-1, 1, 1, 1)
        weights = (weights * scale).astype(np.float32)
        # colours lie around the middle of the scale
        bias = np.array([mean for mean, _ in channels]) - weights.sum((1, 2, 3)) * 0.5 / scale
        levels.append(graph.node("Conv", [mean, graph.constant(weights), graph.constant(bias.astype(np.float32))]))
    flat = [graph.node("Reshape", [level, graph.constant(np.array([1, len(channels), -1], np.int64))]) for level in levels]
    return graph.node("Concat", flat, axis=2)


SCORE = (-1.5, 9.0)


def yolox(graph: OnnxGraph, rng: np.random.Generator) -> list[int]:
    channels = [(0.5, 0.5)] * 2 + [(0.6, 1.5)] * 2 + [SCORE] * (1 + len(CLASSES))
    box, scores = graph.split(head(graph, rng, 1 / 255, channels), [4, 1 + len(CLASSES)], axis=1)
    both = graph.node("Concat", [box, graph.node("Sigmoid", [scores])], axis=1)
    graph.nodes.append(_named("Transpose", both, perm=[0, 2, 1]))
    return [1, len(cells(0)), 5 + len(CLASSES)]


def nanodet(graph: OnnxGraph, rng: np.random.Generator) -> list[int]:
    channels = [SCORE] * len(CLASSES) + [(0.0, 4.0)] * (4 * BINS)
    scores, bins = graph.split(head(graph, rng, 1 / 255, channels), [len(CLASSES), 4 * BINS], axis=1)
    both = graph.node("Concat", [graph.node("Sigmoid", [scores]), bins], axis=1)
    graph.nodes.append(_named("Transpose", both, perm=[0, 2, 1]))
    return [1, len(cells(0)), len(CLASSES) + 4 * BINS]


def _yolov8(graph: OnnxGraph, rng: np.random.Generator) -> tuple[str, str, str]:
    """Centre [1, 2, M] and size [1, 2, M] in pixels, scores [1, C, M]."""
    # bytes are divided by 255 before they come here
    raw = head(graph, rng, 1.0, [(0.0, 0.5)] * 2 + [(1.0, 1.0)] * 2 + [SCORE] * len(CLASSES))
    offset, size, scores = graph.split(raw, [2, 2, len(CLASSES)], axis=1)
    anchors = cells(MIDDLE)
    strides = graph.constant(anchors[:, 2].reshape(1, 1, -1))
    centre = graph.node("Add", [graph.node("Mul", [offset, strides]), graph.constant(anchors[:, :2].T[None])])
    size = graph.node("Mul", [graph.node("Exp", [size]), strides])
    return centre, size, graph.node("Sigmoid", [scores])


def yolov8(graph: OnnxGraph, rng: np.random.Generator) -> list[int]:
    graph.nodes.append(_named("Concat", *_yolov8(graph, rng), axis=1))
    return [1, 4 + len(CLASSES), len(cells(0))]


def yolov8_nms(graph: OnnxGraph, rng: np.random.Generator) -> list[int | str]:
    centre, size, scores = _yolov8(graph, rng)
    half = graph.node("Mul", [size, graph.constant(np.float32(0.5))])
    corners = graph.node("Concat", [graph.node("Sub", [centre, half]), graph.node("Add", [centre, half])], axis=1)
    boxes = graph.node("Transpose", [corners], perm=[0, 2, 1])
    best = graph.node("ReduceMax", [scores], axes=[1], keepdims=1)
    kind = graph.node("Cast", [graph.node("ArgMax", [scores], axis=1, keepdims=1)], to=1)
    # boxes of different classes do not suppress each other: they are moved apart
    apart = graph.node("Transpose", [graph.node("Mul", [kind, graph.constant(np.float32(10 * SIZE))])], perm=[0, 2, 1])
    limits = [graph.constant(np.array([limit], dtype)) for limit, dtype in ((100, np.int64), (NMS_IOU, np.float32), (MIN_SCORE, np.float32))]
    chosen = graph.node("NonMaxSuppression", [graph.node("Add", [boxes, apart]), best, *limits])
    place = graph.node("Gather", [chosen, graph.constant(np.array(2, np.int64))], axis=1)
    rows = graph.node("Transpose", [graph.node("Concat", [best, kind], axis=1)], perm=[0, 2, 1])
    everything = graph.node("Concat", [boxes, rows], axis=2)
    graph.nodes.append(_named("Gather", everything, place, axis=1))
    return [1, "kept", 6]


def _named(op: str, *inputs: str, **attributes):
    from onnx import helper

    return helper.make_node(op, list(inputs), ["output"], name="output_n", **attributes)


def softmax(values: np.ndarray) -> np.ndarray:
    weights = np.exp(values - values.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def decode(family: str, output: np.ndarray) -> np.ndarray:
    """[N, 6]: x1, y1, x2, y2, score, class, before suppression."""
    output = output[0]
    if family == "yolov8-nms":
        return output
    if family == "yolov8":
        output = output.T
        centre, size, scores = output[:, :2], output[:, 2:4], output[:, 4:]
    elif family == "yolox":
        grid = cells(CORNER)
        centre = grid[:, :2] + output[:, :2] * grid[:, 2:]
        size = np.exp(output[:, 2:4]) * grid[:, 2:]
        scores = output[:, 4:5] * output[:, 5:]
    else:
        grid = cells(MIDDLE if family == "nanodet" else CORNER)
        scores = output[:, : len(CLASSES)]
        bins = output[:, len(CLASSES) :].reshape(-1, 4, BINS)
        distance = (softmax(bins) * np.arange(BINS)).sum(-1) * grid[:, 2:]
        low, high = grid[:, :2] - distance[:, :2], grid[:, :2] + distance[:, 2:]
        centre, size = (low + high) / 2, high - low
    return np.column_stack([centre - size / 2, centre + size / 2, scores.max(1), scores.argmax(1)])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    sides = np.minimum(a[2:4], b[2:4]) - np.maximum(a[:2], b[:2])
    if (sides <= 0).any():
        return 0.0
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return sides.prod() / (area(a) + area(b) - sides.prod())


def suppress(rows: np.ndarray) -> list[np.ndarray]:
    rows = rows[rows[:, 4] >= MIN_SCORE].copy()
    rows[:, :4] = rows[:, :4].clip(0, SIZE)
    rows = rows[(rows[:, 2] > rows[:, 0]) & (rows[:, 3] > rows[:, 1])]
    kept: list[np.ndarray] = []
    for row in rows[np.argsort(-rows[:, 4], kind="stable")]:
        if all(other[5] != row[5] or iou(other, row) <= NMS_IOU for other in kept):
            kept.append(row)
    return kept


FAMILIES = {
    # family: network, colours, mean and standard deviation of the input, resize policy
    "nanodet": (nanodet, "bgr", 0, 1, "letterbox"),
    "nanodet-plus": (nanodet, "bgr", 0, 1, "letterbox"),
    "yolox": (yolox, "bgr", 0, 1, "letterbox-top-left"),
    "yolov8": (yolov8, "rgb", 0, 255, "letterbox"),
    "yolov8-nms": (yolov8_nms, "rgb", 0, 255, "letterbox"),
}

MANIFEST = """\
# A network of {size} bytes that only tests how the output of its family is read; scripts/model makes it.

name = "test-{family}"
file = "{family}.onnx"
sha256 = "{sha256}"
license = "Apache-2.0"
origin = "scripts/model/make_test_models.py"
classes = ["ball", "person", "ring"]
threshold = {min_score}

[input]
width = {side}
height = {side}
layout = "nchw"
color = "{color}"
mean = [{mean}, {mean}, {mean}]
std = [{std}, {std}, {std}]

[resize]
policy = "{policy}"
fill = [114, 114, 114]

[output]
family = "{family}"
nms_iou = {nms_iou}
"""


def make(family: str, folder: Path) -> None:
    build, color, mean, std, policy = FAMILIES[family]
    graph = OnnxGraph()
    shape = build(graph, np.random.default_rng(sum(family.encode())))
    model = graph.model(family, "people-counter", {"images": [1, 3, SIZE, SIZE]}, {"output": shape})
    data = model.SerializeToString(deterministic=True)
    sha256 = hashlib.sha256(data).hexdigest()

    pixels = picture() if color == "rgb" else picture()[:, :, ::-1]
    values = ((pixels.astype(np.float32) - mean) / std).transpose(2, 0, 1)[None]
    (output,) = onnxruntime.InferenceSession(data).run(None, {"images": np.ascontiguousarray(values)})
    kept = suppress(decode(family, output.astype(np.float64)))
    assert 5 <= len(kept) <= 60 and len({row[5] for row in kept}) > 1, f"{family}: {len(kept)} boxes are no good test"

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{family}.onnx").write_bytes(data)
    (folder / "model.toml").write_text(
        MANIFEST.format(
            size=len(data), family=family, sha256=sha256, side=SIZE, color=color, mean=mean, std=std, policy=policy,
            min_score=MIN_SCORE, nms_iou=NMS_IOU,
        )
    )
    boxes = [[round(float(value), 5) for value in row] for row in kept]
    lines = ",\n".join(f"  {json.dumps(box)}" for box in boxes)
    (folder / "golden.json").write_text(f'{{\n "sha256": "{sha256}",\n "min_score": {MIN_SCORE},\n "boxes": [\n{lines}\n ]\n}}\n')
    print(f"{family}: {len(data)} bytes, {len(kept)} boxes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the models go, a folder each")
    options = parser.parse_args()
    for family in FAMILIES:
        make(family, options.folder / family)


if __name__ == "__main__":
    main()
