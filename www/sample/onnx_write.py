# SPDX-License-Identifier: MIT
"""The few ONNX messages that train.py needs, written as protobuf by hand.

Protobuf wire format: a field is varint(number << 3 | type) and then, for type 0, a
varint, for type 2, a length and that many bytes. Field numbers are those of onnx.proto3
(IR version 8). Every function returns the bytes of one message.
"""

FLOAT = 1  # TensorProto.DataType
ATTR_INT, ATTR_INTS = 2, 7  # AttributeProto.AttributeType
EXTERNAL = 1  # TensorProto.DataLocation


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out + bytes([value]))


def number(field, value):
    return varint(field << 3) + varint(value)


def chunk(field, data):
    data = data.encode() if isinstance(data, str) else data
    return varint(field << 3 | 2) + varint(len(data)) + data


def chunks(field, items):
    return b"".join(chunk(field, item) for item in items)


def attribute(name, value):
    """AttributeProto: name 1, i 3, ints 8, type 20."""
    if isinstance(value, int):
        return chunk(1, name) + number(3, value) + number(20, ATTR_INT)
    return chunk(1, name) + b"".join(number(8, v) for v in value) + number(20, ATTR_INTS)


def node(op, inputs, outputs, **attributes):
    """NodeProto: input 1, output 2, name 3, op_type 4, attribute 5."""
    return (chunks(1, inputs) + chunks(2, outputs) + chunk(3, outputs[0]) + chunk(4, op)
            + chunks(5, [attribute(k, v) for k, v in attributes.items()]))


def external_tensor(name, dims, file, offset, length):
    """TensorProto: dims 1, data_type 2, name 8, external_data 13, data_location 14."""
    where = [("location", file), ("offset", str(offset)), ("length", str(length))]
    return (b"".join(number(1, d) for d in dims) + number(2, FLOAT) + chunk(8, name)
            + chunks(13, [chunk(1, k) + chunk(2, v) for k, v in where])
            + number(14, EXTERNAL))


def float_value(name, dims):
    """ValueInfoProto of a float tensor; a dimension is a number or the name of a free one."""
    shape = b"".join(chunk(1, chunk(2, d) if isinstance(d, str) else number(1, d)) for d in dims)
    return chunk(1, name) + chunk(2, chunk(1, number(1, FLOAT) + chunk(2, shape)))


def graph(name, nodes, constants, inputs, outputs):
    """GraphProto: node 1, name 2, initializer 5, input 11, output 12."""
    return (chunks(1, nodes) + chunk(2, name) + chunks(5, constants)
            + chunks(11, inputs) + chunks(12, outputs))


def model(graph_bytes, ir_version, opset, producer):
    """ModelProto: ir_version 1, producer_name 2, graph 7, opset_import 8 (version 2)."""
    return (number(1, ir_version) + chunk(2, producer) + chunk(7, graph_bytes)
            + chunk(8, number(2, opset)))
