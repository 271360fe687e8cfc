"""Writers of other frameworks' weight files, small and independent of the readers under test."""

import struct

import h5py
import numpy as np
import scipy.io

# Protocol buffers


def varint(number):
    number &= (1 << 64) - 1
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def tagged(field, value):
    """One field: an int as a varint, bytes or str with their length."""
    if isinstance(value, int):
        return varint(field << 3) + varint(value)
    value = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(value)) + value


def many(field, messages):
    return b"".join(tagged(field, message) for message in messages)


def packed(numbers):
    return b"".join(map(varint, numbers))


# Caffe


def blob(array, legacy=False, pack=True, double=False):
    """BlobProto."""
    if legacy:
        sizes = (1,) * (4 - array.ndim) + array.shape
        shape = b"".join(tagged(field, size) for field, size in enumerate(sizes, 1))
    else:
        shape = tagged(7, tagged(1, packed(array.shape)))
    field, kind = (8, "<f8") if double else (5, "<f4")
    raw = array.astype(kind).tobytes()
    if pack:
        return shape + tagged(field, raw)
    size = np.dtype(kind).itemsize
    tag = varint(field << 3 | (1 if double else 5))
    return shape + b"".join(tag + raw[at : at + size] for at in range(0, len(raw), size))


def caffemodel(path, layers, version=2, **form):
    """A NetParameter of {layer: [blobs]}; `version` 0, 1 or 2 is that of its layers."""
    net = tagged(1, "a net") + tagged(3, "data")
    for name, arrays in {"data": [], **layers}.items():
        blobs = [blob(array, **form) for array in arrays]
        if version == 2:
            net += tagged(100, tagged(1, name) + tagged(2, "Layer") + many(7, blobs))
        elif version == 1:
            net += tagged(
                2, tagged(2, "bottom") + tagged(4, name) + tagged(5, 4) + b"".join(tagged(6, b) for b in blobs)
            )
        else:
            net += tagged(2, tagged(1, tagged(1, name) + tagged(2, "conv") + many(50, blobs)))
    path.write_bytes(net)


# LevelDB's table and TensorFlow


def _crc_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


CRC = _crc_table()


def crc32c(data):
    register = 0xFFFFFFFF
    for byte in data:
        register = CRC[(register ^ byte) & 255] ^ register >> 8
    return register ^ 0xFFFFFFFF


def masked(data):
    plain = crc32c(data)
    return ((plain >> 15 | plain << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block(entries, restart=4):
    """Entries with their keys' common beginnings left out, whole again every few."""
    out, restarts, before = b"", [], b""
    for count, (key, value) in enumerate(entries):
        shared = 0
        if count % restart == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return out + struct.pack(f"<{len(restarts)}I", *restarts) + struct.pack("<I", len(restarts))


def snappy(data):
    """Copies of four bytes or more that stood before within 60,000 bytes, anything else as literals."""
    out, literal, at, seen = varint(len(data)), b"", 0, {}
    while at < len(data):
        before = seen.get(data[at : at + 4], -60_001)
        seen[data[at : at + 4]] = at
        most, length = min(64, len(data) - at) if at - before <= 60_000 else 0, 0
        while length < most and data[before + length] == data[at + length]:
            length += 1
        if length >= 4:
            out += run(literal) + bytes([length - 1 << 2 | 2]) + struct.pack("<H", at - before)
            literal = b""
        else:
            length = 1
            literal += data[at : at + 1]
        at += length
    return out + run(literal)


def run(literal):
    if not literal:
        return b""
    size = len(literal) - 1
    return (bytes([size << 2]) if size < 60 else bytes([61 << 2]) + struct.pack("<H", size)) + literal


def table(path, entries, per_block=5, compress=False):
    """A sorted table, `per_block` entries to a block."""
    data, index = b"", []

    def place(content):
        nonlocal data
        content = (snappy(content) + b"\1") if compress else content + b"\0"
        handle = varint(len(data)) + varint(len(content) - 1)
        data += content + struct.pack("<I", masked(content))
        return handle

    ordered = sorted(entries.items())
    for at in range(0, len(ordered), per_block):
        part = ordered[at : at + per_block]
        index.append((part[-1][0], place(block(part))))
    footer = place(block([])) + place(block(index, restart=1))
    path.write_bytes(data + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57))


KINDS = {"float32": 1, "float64": 2, "int32": 3, "int64": 9, "float16": 19}


def tensor_shape(shape):
    return b"".join(tagged(2, tagged(1, size)) for size in shape)


def bundle(prefix, tensors, shards=1, strings=()):
    """A V2 checkpoint: X.index and X.data-?????-of-?????."""
    data, entries = [b""] * shards, {b"": tagged(1, shards) + tagged(3, tagged(1, 1))}
    for number, (name, array) in enumerate(sorted(tensors.items())):
        shard, raw = number % shards, np.ascontiguousarray(array).tobytes()
        entry = tagged(1, KINDS[array.dtype.name]) + tagged(2, tensor_shape(array.shape))
        entry += tagged(3, shard) + tagged(4, len(data[shard])) + tagged(5, len(raw))
        entries[name.encode()] = entry + varint(6 << 3 | 5) + struct.pack("<I", masked(raw))
        data[shard] += raw
    for name in strings:
        entries[name.encode()] = tagged(1, 7) + tagged(2, b"") + tagged(5, 0)
    for shard, content in enumerate(data):
        prefix.with_name(f"{prefix.name}.data-{shard:05d}-of-{shards:05d}").write_bytes(content)
    table(prefix.with_name(f"{prefix.name}.index"), entries)


def single(path, tensors, halves=(), compress=False):
    """A V1 checkpoint; the tensors named in `halves` are saved as two slices of the first axis."""
    meta, entries = b"", {}
    for name, array in tensors.items():
        kind = KINDS[array.dtype.name]
        meta += tagged(1, tagged(1, name) + tagged(2, tensor_shape(array.shape)) + tagged(3, kind))
        middle = len(array) // 2 if name in halves else 0
        for start, part in ((0, array[:middle]), (middle, array[middle:])) if middle else ((None, array),):
            extents = [b""] * array.ndim
            if start is not None:
                extents[0] = (tagged(1, start) if start else b"") + tagged(2, len(part))
            raw = part.astype("<f4").tobytes()
            values = tagged(5, raw) if kind == 1 else tagged(10, packed(part.ravel().tolist()))
            slices = b"".join(tagged(1, extent) for extent in extents)
            proto = tagged(1, kind) + tagged(2, tensor_shape(part.shape)) + values
            key = b"\0" + name.encode() + b"\0\1" + bytes([start or 0])
            entries[key] = tagged(2, tagged(1, name) + tagged(2, slices) + tagged(3, proto))
    table(path, {b"": tagged(1, meta), **entries}, compress=compress)


# MatConvNet


def cell(values):
    made = np.empty((1, len(values)), object)
    for index, value in enumerate(values):
        made[0, index] = value
    return made


def dag(path, tensors, inside="", **how):
    """A DagNN saved by MATLAB up to v7: a struct array of params, alone or as the field of `net`."""
    params = np.empty((1, len(tensors)), [("name", object), ("value", object), ("learningRate", object)])
    for index, (name, array) in enumerate(tensors.items()):
        params[0, index] = (name, array, 1.0)
    content = {"params": params, "layers": np.zeros((1, 2)), "meta": {"normalization": {"averageImage": np.ones(3)}}}
    scipy.io.savemat(path, {inside: content} if inside else content, **how)


def simple(path, layers, old=False):
    """A SimpleNN of {layer: [filters, bias]}; `old` with the field names of before v1.0-beta8."""
    made = []
    for name, arrays in layers.items():
        weights = dict(zip(("filters", "biases"), arrays, strict=True)) if old else {"weights": cell(arrays)}
        made += [{"name": name, "type": "conv", **weights}, {"name": f"relu_{name}", "type": "relu"}]
    scipy.io.savemat(path, {"layers": cell(made), "classes": {"name": cell(["a", "b"])}})


class V73:
    """MATLAB's v7.3: HDF5 behind a block of 512 bytes, strings as numbers, cells and struct arrays as references."""

    def __init__(self, path):
        self.file = h5py.File(path, "w", userblock_size=512)
        self.path, self.count = path, 0

    def node(self, value, name=None):
        """One value as MATLAB writes it; a reference to it."""
        self.count += 1
        where = name or f"#refs#/{self.count}"
        if isinstance(value, dict):
            group = self.file.create_group(where)
            group.attrs["MATLAB_class"] = np.bytes_("struct")
            for key, item in value.items():
                self.node(item, f"{where}/{key}")
        elif isinstance(value, list):
            self.references(value, where).attrs["MATLAB_class"] = np.bytes_("cell")
        elif isinstance(value, str):
            made = self.file.create_dataset(where, data=np.array([[ord(letter)] for letter in value], "<u2"))
            made.attrs["MATLAB_class"] = np.bytes_("char")
        else:
            made = self.file.create_dataset(where, data=np.atleast_2d(value).T)
            made.attrs["MATLAB_class"] = np.bytes_("single")
        return self.file[where].ref

    def references(self, values, where):
        made = [self.node(value) for value in values]
        return self.file.create_dataset(where, data=np.array([made], h5py.ref_dtype).T)

    def struct_array(self, name, columns):
        self.file.create_group(name).attrs["MATLAB_class"] = np.bytes_("struct")
        for column, values in columns.items():
            self.references(values, f"{name}/{column}")

    def close(self):
        self.file.close()
        with open(self.path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM")


def dag_v73(path, tensors):
    made = V73(path)
    made.struct_array("net/params", {"name": list(tensors), "value": list(tensors.values())})
    made.close()


def simple_v73(path, layers):
    made = V73(path)
    made.node([{"name": name, "type": "conv", "weights": arrays} for name, arrays in layers.items()], "layers")
    made.close()
