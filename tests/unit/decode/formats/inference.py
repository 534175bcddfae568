"""Messages of the open inference protocol, by their published field numbers and Google's library.

kserve/kserve@aaac4e2:docs/predict-api/v2/grpc_predict_v2.proto
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

BOOL, BYTES, DOUBLE, FLOAT, INT32, INT64, STRING, UINT32, UINT64, MESSAGE = 8, 12, 1, 2, 5, 3, 9, 13, 4, 11
ONE, MANY = 1, 3


def _described() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="grpc_predict_v2.proto", package="inference", syntax="proto3")
    contents = file.message_type.add(name="InferTensorContents")
    kinds = {"bool": BOOL, "int": INT32, "int64": INT64, "uint": UINT32, "uint64": UINT64}
    kinds |= {"fp32": FLOAT, "fp64": DOUBLE, "bytes": BYTES}
    for number, (name, kind) in enumerate(kinds.items(), 1):
        contents.field.add(name=f"{name}_contents", number=number, type=kind, label=MANY)
    for name, raw in (("Request", 7), ("Response", 6)):
        message = file.message_type.add(name=f"ModelInfer{name}")
        for number, text in enumerate(("model_name", "model_version", "id"), 1):
            message.field.add(name=text, number=number, type=STRING, label=ONE)
        what = "Input" if name == "Request" else "Output"
        tensor = message.nested_type.add(name=f"Infer{what}Tensor")
        tensor.field.add(name="name", number=1, type=STRING, label=ONE)
        tensor.field.add(name="datatype", number=2, type=STRING, label=ONE)
        tensor.field.add(name="shape", number=3, type=INT64, label=MANY)
        of = ".inference.InferTensorContents"
        tensor.field.add(name="contents", number=5, type=MESSAGE, label=ONE, type_name=of)
        mine = f".inference.ModelInfer{name}.Infer{what}Tensor"
        message.field.add(name=f"{what.lower()}s", number=5, type=MESSAGE, label=MANY, type_name=mine)
        message.field.add(name=f"raw_{what.lower()}_contents", number=raw, type=BYTES, label=MANY)
    return file


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(_described().SerializeToString())


def message(name: str, body: Mapping[str, Any]) -> bytes:
    """``name``: Request or Response; ``body`` as Protobuf's own JSON has it."""
    kind = message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"inference.ModelInfer{name}"))
    data: bytes = json_format.ParseDict(dict(body), kind()).SerializeToString()
    return data
