"""Builds an ONNX graph node by node, under names that depend on nothing but the order of the calls."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 13
IR_VERSION = 8


class OnnxGraph:
    """Nodes and constants in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self._producers: dict[str, onnx.NodeProto] = {}
        self._count = 0

    def constant(self, values: np.ndarray, prefix: str = "c") -> str:
        """Adds a constant and returns its name."""
        name = self._fresh(prefix)
        self.constants[name] = np.array(values, order="C")
        return name

    def node(self, op: str, inputs: list[str], **attributes) -> str:
        """Adds a node with one output and returns the output's name."""
        return self._add(op, inputs, 1, attributes)[0]

    def split(self, value: str, sizes: list[int], axis: int) -> list[str]:
        """Cuts a tensor along an axis and returns the names of the parts."""
        return self._add("Split", [value, self.constant(np.array(sizes, np.int64))], len(sizes), {"axis": axis})

    def producer(self, value: str) -> onnx.NodeProto | None:
        """The node that makes a tensor, unless it was removed."""
        return self._producers.get(value)

    def remove(self, node: onnx.NodeProto) -> None:
        """Removes a node whose output nobody reads any more."""
        self.nodes.remove(node)
        for output in node.output:
            del self._producers[output]

    def model(self, name: str, producer: str, inputs: dict[str, list[int]], outputs: dict[str, list[int]]):
        """The finished model; tensors are given as name and shape. Constants that no node reads are left out."""
        used = {value for node in self.nodes for value in node.input}
        graph = helper.make_graph(
            self.nodes,
            name,
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in inputs.items()],
            [helper.make_tensor_value_info(key, TensorProto.FLOAT, shape) for key, shape in outputs.items()],
            [numpy_helper.from_array(values, key) for key, values in self.constants.items() if key in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name=producer)
        model.ir_version = IR_VERSION
        return model

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    def _add(self, op: str, inputs: list[str], count: int, attributes: dict) -> list[str]:
        outputs = [self._fresh(op.lower()) for _ in range(count)]
        node = helper.make_node(op, inputs, outputs, name=f"{outputs[0]}_n", **attributes)
        self.nodes.append(node)
        self._producers.update(dict.fromkeys(outputs, node))
        return outputs


def store_as_half(model: onnx.ModelProto, at_least: int = 1024) -> None:
    """Stores constants of `at_least` numbers that fit into 16-bit floats as such, each followed by a cast to 32 bits.

    Nothing is lost, the file is half as large, and runtimes do the casts once when they load it.
    """
    graph = model.graph
    casts, constants = [], []
    for constant in graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype == np.float32 and values.size >= at_least:
            half = values.astype(np.float16)
            if np.array_equal(half.astype(np.float32), values):
                stored = f"{constant.name}_h"
                constants.append(numpy_helper.from_array(half, stored))
                cast = helper.make_node(
                    "Cast", [stored], [constant.name], name=f"{constant.name}_cast", to=TensorProto.FLOAT
                )
                casts.append(cast)
                continue
        # a copy: clearing the list below would empty the original
        constants.append(TensorProto.FromString(constant.SerializeToString()))
    nodes = list(graph.node)
    del graph.node[:], graph.initializer[:]
    graph.node.extend(casts + nodes)
    graph.initializer.extend(constants)
