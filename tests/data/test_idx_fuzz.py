"""Damaged IDX files: each is read exactly as its header says, or rejected with a ValueError of one sentence."""

import gzip
import struct
import tracemalloc
import zlib
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from idx_files import idx_bytes

from vae_tf1.data.idx import IDX_FILES, read_idx

IMAGES = np.random.RandomState(0).randint(0, 256, [5, 4, 3], np.uint8)
LABELS = np.arange(5, dtype=np.uint8)


def declared_by(content: bytes, dimensions: int) -> np.ndarray | None:
    """The array in an uncompressed IDX file, or None if it is not one; an independent reader of the format."""
    if len(content) < 4 + 4 * dimensions or content[:4] != bytes([0, 0, 8, dimensions]):
        return None
    shape = struct.unpack_from(f">{dimensions}I", content, 4)
    payload = content[4 + 4 * dimensions :]
    return (
        np.frombuffer(payload, np.uint8).reshape(shape) if len(payload) == int(np.prod(shape, dtype=object)) else None
    )


def outcome(path: Path, dimensions: int):
    """The array that is read, or None after checking that the error is one sentence that names the file."""
    try:
        return read_idx(path, dimensions)
    except ValueError as error:
        message = str(error)
        assert message.startswith(str(path))
        assert message.endswith("; replace it.")
        assert "\n" not in message
        return None


def check(path: Path, compressed: bytes, dimensions: int, expected: np.ndarray | None) -> None:
    path.write_bytes(compressed)
    read = outcome(path, dimensions)
    if expected is None:
        assert read is None
    else:
        assert read is not None
        assert read.dtype == np.uint8
        assert read.shape == expected.shape
        np.testing.assert_array_equal(read, expected)


@st.composite
def contents(draw):
    """IDX files with damage done before they were compressed, and their dimensions."""
    dimensions = draw(st.sampled_from([1, 3]))
    shape = draw(st.lists(st.integers(0, 6), min_size=dimensions, max_size=dimensions))
    array = np.frombuffer(draw(st.binary(min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))), np.uint8)
    content = bytearray(idx_bytes(array.reshape(shape)))
    for _ in range(draw(st.integers(0, 2))):
        damage = draw(st.sampled_from(["set", "cut", "append", "count"]))
        if damage == "set" and content:
            content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
        elif damage == "cut":
            del content[draw(st.integers(0, len(content))) :]
        elif damage == "append":
            content += draw(st.binary(max_size=5))
        elif len(content) >= 8:
            content[4:8] = struct.pack(">I", draw(st.integers(0, 2**32 - 1)))
    return bytes(content), dimensions


@hypothesis.settings(deadline=None, max_examples=300)
@hypothesis.given(contents(), st.integers(0, 9))
def test_files_are_read_as_they_declare_or_refused(tmp_path_factory, file, level):
    content, dimensions = file
    path = tmp_path_factory.getbasetemp() / "property.gz"
    check(path, gzip.compress(content, level), dimensions, declared_by(content, dimensions))


@hypothesis.settings(deadline=None, max_examples=100)
@hypothesis.given(contents(), st.integers(0, 100), st.integers(0, 8))
def test_files_in_several_members_with_padding_are_read_whole(tmp_path_factory, file, cut, zeros):
    content, dimensions = file
    members = gzip.compress(content[:cut]) + gzip.compress(content[cut:]) + bytes(zeros)
    path = tmp_path_factory.getbasetemp() / "members.gz"
    check(path, members, dimensions, declared_by(content, dimensions))


def mutated(whole: bytes, random: np.random.RandomState) -> bytes:
    """Damage to the compressed bytes, of one or a few kinds."""
    data = bytearray(whole)
    for _ in range(random.randint(1, 4)):
        place = random.randint(len(data)) if data else 0
        kind = random.randint(6)
        if kind <= 1 and data:
            data[place] ^= 1 << random.randint(8)
        elif kind == 2 and data:
            data[place] = random.randint(256)
        elif kind == 3:
            del data[place:]
        elif kind == 4:
            del data[place : place + random.randint(1, 9)]
        else:
            data[place:place] = random.bytes(random.randint(1, 9))
    return bytes(data)


def decompressed(data: bytes) -> bytes | None:
    """The content of all members, decompressed with zlib alone, or None if one is damaged."""
    content = b""
    while data:
        member = zlib.decompressobj(31)
        try:
            content += member.decompress(data)
        except zlib.error:
            return None
        if not member.eof:
            return None
        data = member.unused_data.lstrip(b"\0")
    return content


def fuzz(path: Path, files: int, seed: int) -> None:
    random = np.random.RandomState(seed)
    read = 0
    for number in range(files):
        array = (IMAGES, LABELS)[number % 2]
        data = mutated(gzip.compress(idx_bytes(array), mtime=0), random)
        path.write_bytes(data)
        got = outcome(path, array.ndim)
        if got is None:
            continue
        read += 1
        content = decompressed(data)
        # zlib also refuses damage to parts of the header that do not affect the content.
        expected = array if content is None else declared_by(content, array.ndim)
        np.testing.assert_array_equal(got, expected, err_msg=repr(data))
    assert 0 < read < files  # some damage is harmless, such as to the timestamp in gzip's header


def test_mutated_files(tmp_path):
    fuzz(tmp_path / "mutated.gz", 3_000, seed=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_mutated_files(tmp_path, seed):
    fuzz(tmp_path / "mutated.gz", 30_000, seed)


def bomb(path: Path, header: bytes, zeros: int) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(header)
        block = bytes(2**24)
        for _ in range(zeros // len(block)):
            file.write(block)
        file.write(bytes(zeros % len(block)))


@pytest.mark.parametrize(
    ("shape", "held", "says"),
    [
        ((12_755_103, 28, 28), 10**6, "refused"),  # 10 GB declared
        ((2**32 - 1, 2**32 - 1, 2**32 - 1), 10, "refused"),
        ((10, 28, 28), 3 * 10**8, "refused"),  # a decompression bomb with a plausible header
        ((850_000, 28, 28), 10, "refused"),
        pytest.param((850_000, 28, 28), 850_000 * 784, "read", marks=pytest.mark.slow),  # the largest that is accepted
    ],
    ids=["10 GB", "2^96 bytes", "more than declared", "less than declared", "the largest"],
)
def test_memory_is_bounded(tmp_path, shape, held, says):
    path = tmp_path / IDX_FILES[0]
    bomb(path, struct.pack(">4I", 0x803, *shape), held)
    tracemalloc.start()
    try:
        said = "read" if outcome(path, 3) is not None else "refused"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert said == says
    assert peak < 700e6


def test_a_file_without_images_is_an_empty_array(tmp_path):
    path = tmp_path / "none.gz"
    check(path, gzip.compress(idx_bytes(IMAGES[:0])), 3, IMAGES[:0])
    check(path, b"", 3, None)
