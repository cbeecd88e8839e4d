"""Translates the operations of a convolution network from TensorFlow to ONNX.

TensorFlow wants the channels last (NHWC), ONNX wants them second (NCHW), and the source graph, itself a conversion,
transposes back and forth at every step. Here every tensor stays NCHW; a transposition only changes the order in which
the source graph sees its axes.
"""

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from onnx_graph import OnnxGraph
from tfjs import GraphModel, Node


@dataclass(frozen=True)
class Value:
    """A tensor of shape [1, channels, height, width]."""

    name: str
    channels: int
    height: int
    width: int
    order: str = "NHWC"
    """The axes in the order in which the source graph sees them."""

    def axis(self, seen: int) -> int:
        """The axis that the source graph sees at a place."""
        return "NCHW".index(self.order[seen % 4])


class Translator:
    """Adds to an ONNX graph what is needed to compute values of the source graph."""

    def __init__(self, source: GraphModel, graph: OnnxGraph) -> None:
        self.source = source
        self.graph = graph
        self.constants = dict(source.constants)
        self.values: dict[str, Value] = {}
        self._readers = Counter(name for node in source.nodes.values() for name in node.inputs)

    def value(self, wanted: str) -> Value:
        """The value with a name, computed if it is not there yet."""
        pending = [wanted]
        while pending:
            name = pending[-1]
            if name in self.values:
                pending.pop()
                continue
            node = self.source.nodes[name]
            missing = [i for i in node.inputs if i not in self.values and i not in self.constants]
            if missing:
                pending.extend(missing)
            else:
                self.values[name] = self._translate(node)
                pending.pop()
        return self.values[wanted]

    def _translate(self, node: Node) -> Value:
        match node.op:
            case "Transpose":
                return self._transpose(node)
            case "Pad" | "PadV2":
                return self._pad(node)
            case "Conv2D":
                return self._convolution(node)
            case "MaxPool":
                return self._max_pool(node)
            case "Add":
                return self._add(node)
            case "LeakyRelu":
                value = self.values[node.inputs[0]]
                return replace(value, name=self.graph.node("LeakyRelu", [value.name], alpha=node.attributes["alpha"]))
            case "ConcatV2":
                return self._concat(node)
            case "ResizeBilinear":
                return self._resize(node)
        raise SystemExit(f"the operation {node.op} ({node.name}) is not known here")

    def _transpose(self, node: Node) -> Value:
        value, axes = self.values[node.inputs[0]], self.constants[node.inputs[1]]
        return replace(value, order="".join(value.order[axis] for axis in axes))

    def _pad(self, node: Node) -> Value:
        value, padding = self.values[node.inputs[0]], self.constants[node.inputs[1]]
        fill = np.float32(self.constants[node.inputs[2]] if len(node.inputs) > 2 else 0)
        before, after = [0] * 4, [0] * 4
        for seen, (left, right) in enumerate(padding):
            before[value.axis(seen)], after[value.axis(seen)] = int(left), int(right)
        assert before[:2] == after[:2] == [0, 0], f"{node.name} pads channels"
        if not padding.any():
            return value
        pads = self.graph.constant(np.array(before + after, np.int64))
        name = self.graph.node("Pad", [value.name, pads, self.graph.constant(fill)])
        height, width = value.height + before[2] + after[2], value.width + before[3] + after[3]
        return replace(value, name=name, height=height, width=width)

    def _absorb_padding(self, value: Value, fill: float) -> tuple[str, list[int]]:
        """The input of an operation that pads by itself, and its padding (top, left, bottom, right): if `value` is the
        result of a Pad with `fill`, that node goes away."""
        pad = self.graph.producer(value.name)
        if pad is None or pad.op_type != "Pad":
            return value.name, [0, 0, 0, 0]
        unpadded, pads, constant = pad.input
        assert self.graph.constants[constant] == np.float32(fill), f"{pad.name} fills with another value"
        self.graph.remove(pad)
        _, _, top, left, _, _, bottom, right = self.graph.constants[pads].tolist()
        return unpadded, [top, left, bottom, right]

    def _convolution(self, node: Node) -> Value:
        value, weights = self.values[node.inputs[0]], self.constants[node.inputs[1]]
        (_, *strides, _), (_, *dilations, _) = node.attributes["strides"], node.attributes["dilations"]
        assert value.order == "NHWC" and node.attributes["padding"] == "VALID" and dilations == [1, 1]
        height, width, inputs, outputs = weights.shape
        assert inputs == value.channels, f"{node.name} is a grouped convolution"
        source, pads = self._absorb_padding(value, 0)
        name = self.graph.node(
            "Conv",
            [source, self.graph.constant(weights.transpose(3, 2, 0, 1).astype(np.float32), "w")],
            kernel_shape=[height, width],
            strides=strides,
            pads=pads,
            dilations=dilations,
            group=1,
        )
        return self._window(value, name, (height, width), strides, outputs)

    def _max_pool(self, node: Node) -> Value:
        value = self.values[node.inputs[0]]
        (_, *kernel, _), (_, *strides, _) = node.attributes["ksize"], node.attributes["strides"]
        assert value.order == "NHWC" and node.attributes["padding"] == "VALID"
        source, pads = self._absorb_padding(value, -np.inf)
        name = self.graph.node("MaxPool", [source], kernel_shape=kernel, strides=strides, pads=pads)
        return self._window(value, name, kernel, strides, value.channels)

    @staticmethod
    def _window(value: Value, name: str, kernel, strides, channels: int) -> Value:
        """What a window that slides over a (padded) value gives."""
        height, width = ((side - k) // s + 1 for side, k, s in zip((value.height, value.width), kernel, strides))
        return Value(name, channels, height, width)

    def _add(self, node: Node) -> Value:
        first, second = node.inputs
        value = self.values[first]
        if second in self.constants:
            # a constant added to a convolution that nothing else reads is its bias
            convolution = self.graph.producer(value.name)
            assert convolution.op_type == "Conv" and len(convolution.input) == 2 and self._readers[first] == 1
            bias = self.constants[second].astype(np.float32).reshape(-1)
            convolution.input.append(self.graph.constant(np.broadcast_to(bias, value.channels), "b"))
            return value
        other = self.values[second]
        assert replace(other, name=value.name) == value, f"{node.name} adds values of different shapes"
        return replace(value, name=self.graph.node("Add", [value.name, other.name]))

    def _concat(self, node: Node) -> Value:
        *names, axis = node.inputs
        values = [self.values[name] for name in names]
        axis = values[0].axis(int(self.constants[axis]))
        assert axis == 1 and len({replace(v, name="", channels=0) for v in values}) == 1
        name = self.graph.node("Concat", [value.name for value in values], axis=axis)
        return replace(values[0], name=name, channels=sum(value.channels for value in values))

    def _resize(self, node: Node) -> Value:
        """Bilinear, to the double or the half, between pixel centres: as products with constant matrices or as an
        average, because runtimes are slow at the general operator."""
        value, (height, width) = self.values[node.inputs[0]], self.constants[node.inputs[1]].tolist()
        assert value.order == "NHWC" and node.attributes["half_pixel_centers"]
        if (height, width) == (2 * value.height, 2 * value.width):
            name = self.graph.node("MatMul", [value.name, self.graph.constant(_doubling(value.width).T)])
            name = self.graph.node("MatMul", [self.graph.constant(_doubling(value.height)), name])
        elif (2 * height, 2 * width) == (value.height, value.width):
            name = self.graph.node("AveragePool", [value.name], kernel_shape=[2, 2], strides=[2, 2])
        else:
            raise SystemExit(f"{node.name} resizes {value.height}x{value.width} to {height}x{width}")
        return replace(value, name=name, height=height, width=width)


def _doubling(length: int) -> np.ndarray:
    """The matrix that doubles a vector: every result lies a quarter of the way to a neighbour, and the ends repeat."""
    matrix = np.zeros((2 * length, length), np.float32)
    for at in range(length):
        matrix[2 * at, max(at - 1, 0)] += 0.25
        matrix[2 * at, at] += 0.75
        matrix[2 * at + 1, at] += 0.75
        matrix[2 * at + 1, min(at + 1, length - 1)] += 0.25
    return matrix
