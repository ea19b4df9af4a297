"""Numbers 40 to 52: weights and batches that lie, run code, or change while they are read."""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import struct
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile import lossaudit
from safetensors.torch import save_file
from stored_samples import TWO, Canary, changed, repacked, safetensors

from lossaudit.errors import InputError
from lossaudit.witnesses.replay import opened_file, pickle_file, pickle_worker
from lossaudit.witnesses.replay.checkpoint import Checkpoint, open_checkpoint
from lossaudit.witnesses.replay.names import shown
from lossaudit.witnesses.replay.tensor_file import open_tensor_file
from lossaudit.witnesses.replay.zip_archive import Record

MAIN = Path(__file__).parents[2] / "fixtures" / "musetalk-tiny" / "runs" / "main"

LFS = (
    b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 3400000000\n"
)


def number(*of: int) -> pytest.MarkDecorator:
    return pytest.mark.bad_input(*of)


def refused(path: Path, allow_pickle: bool = True) -> str:
    """The message with which a checkpoint is refused; it names the file or its folder."""
    with pytest.raises(InputError) as caught:
        open_checkpoint(str(path), allow_pickle)
    assert caught.value.where
    return caught.value.message


@pytest.fixture
def mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are treated as large ones."""
    monkeypatch.setattr(opened_file, "SMALL", 0)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch reads the structure of pickles here, not in a process that has to load torch first."""

    def answer(opened: opened_file.OpenedFile) -> bytes:
        try:
            return json.dumps(pickle_worker.describe(f"/dev/fd/{opened.descriptor}")).encode()
        except pickle_worker.UNREADABLE as error:
            return json.dumps({"error": str(error)}).encode()

    monkeypatch.setattr(pickle_file, "_answer", answer)


# 40: safetensors ----------------------------------------------------------------------------------

HEADERS = [
    ("overlap", changed("b", data_offsets=[8, 16]), 16, "overlaps the tensor before it"),
    ("gap", changed("b", data_offsets=[20, 28]), 28, "leaves a gap"),
    ("reversed", changed("a", data_offsets=[16, 0]), 24, r"data_offsets \[16, 0\]"),
    ("trailing bytes", TWO, 25, "has trailing bytes"),
    ("cut", TWO, 23, "is cut"),
    ("larger than its bytes", changed("a", shape=[2, 3]), 24, "needs 24 bytes .* has 16"),
    ("10^12 elements", changed("a", shape=[10**12]), 24, "needs 4,000,000,000,000 bytes"),
    ("2^64 elements and 0", changed("a", shape=[2**62, 2**62, 0]), 24, "nothing can hold"),
    ("negative", changed("a", shape=[-2, -2]), 24, "not a list of counts"),
    ("fraction", changed("a", shape=[2.0, 2.0]), 24, "not a list of counts"),
    ("true", changed("a", shape=[True, 4]), 24, "not a list of counts"),
    ("text as shape", changed("a", shape="22"), 24, "not a list of counts"),
    ("65 dimensions", changed("a", shape=[1] * 65), 24, "65 dimensions"),
    ("unknown dtype", changed("a", dtype="F31"), 24, "dtype 'F31'"),
    ("no dtype", {"a": {"shape": [], "data_offsets": [0, 0]}}, 0, "is not described by"),
    ("one key more", changed("a", code="x"), 24, "is not described by"),
    ("a number as tensor", {"a": 3}, 0, "is not described by"),
    ("metadata", {"__metadata__": {"a": 1}}, 0, "__metadata__"),
    ("list", b"[]", 0, "claims a header|array, not an object|no safetensors|holds"),
    ("NaN", b'{"a": NaN}', 0, "NaN is not JSON"),
    ("no JSON", b'{"a": ', 0, "not JSON"),
    ("no UTF-8", b'{"\xff": 1}', 0, "no UTF-8"),
    ("deep", b'{"a": ' + b"[" * 100_000, 0, "nested too deeply"),
    ("5000 digits", b'{"a": ' + b"9" * 5000 + b"}", 0, "digits"),
    (
        "a key twice",
        json.dumps(TWO).encode().replace(b'"b"', b'"a"'),
        24,
        "the key 'a' occurs twice",
    ),
    (
        "escapes in a name",
        {"\x1b[31m\u202e": 3},
        0,
        r"tensor '\\x1b\[31m\\u202e' is not described",
    ),
]


@number(40)
@pytest.mark.parametrize(
    ("header", "size", "message"), [h[1:] for h in HEADERS], ids=[h[0] for h in HEADERS]
)
def test_a_header_that_lies_is_refused(
    tmp_path: Path, header: Any, size: int, message: str
) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(safetensors(header, bytes(size)))
    with pytest.raises(InputError, match=message):
        open_tensor_file(str(path))


@number(40)
@pytest.mark.parametrize("length", [2**63, 2**64 - 1, 100_000_001, 16 << 20 | 1])
def test_a_forged_length_allocates_nothing(tmp_path: Path, length: int) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(struct.pack("<Q", length) + b"{}")
    os.truncate(path, 101 << 20)
    open_stored = opened_file.open_stored(str(path))  # imports and buffers are no part of it
    del open_stored
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=f"claims a header of {length:,} bytes"):
            open_tensor_file(str(path))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@number(40)
def test_a_file_cut_at_any_byte_is_refused(tmp_path: Path) -> None:
    content = safetensors(TWO)
    path = tmp_path / "x.safetensors"
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(InputError):
            open_tensor_file(str(path))
    path.write_bytes(content)
    assert set(open_tensor_file(str(path)).tensors) == {"a", "b"}


@number(40)
def test_booleans_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    header = {"mask": {"dtype": "BOOL", "shape": [2], "data_offsets": [0, 2]}}
    path.write_bytes(safetensors(header, b"\1\2"))
    with pytest.raises(InputError, match="boolean and has bytes other than 0 and 1"):
        open_tensor_file(str(path))


# 41: an index -------------------------------------------------------------------------------------


def indexed(folder: Path, weight_map: Any) -> Path:
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": weight_map}))
    return index


@number(41)
@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "..",
        ".",
        "",
        "sub/x.safetensors",
        "a\\b",
    ],
)
def test_an_index_names_files_of_its_folder_only(tmp_path: Path, name: str) -> None:
    indexed(tmp_path, {"w": name})
    assert refused(tmp_path) == f"names the file {shown(name)}"


@number(41)
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    outside = tmp_path / "outside.safetensors"
    save_file({"w": torch.zeros(1)}, outside)
    (folder := tmp_path / "model").mkdir()
    (folder / "a.safetensors").symlink_to(outside)
    assert "a link out of its folder" in refused(indexed(folder, {"w": "a.safetensors"}))


@number(41)
def test_links_of_the_hugging_face_cache_are_followed(tmp_path: Path) -> None:
    (blobs := tmp_path / "models--x" / "blobs").mkdir(parents=True)
    (folder := tmp_path / "models--x" / "snapshots" / "0123").mkdir(parents=True)
    save_file({"w": torch.ones(1)}, blobs / "4567")
    (folder / "a.safetensors").symlink_to(blobs / "4567")
    found = open_checkpoint(str(indexed(folder, {"w": "a.safetensors"})))
    assert found.tensors["w"].item() == 1


@number(41)
def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    indexed(tmp_path, {"w": "a.safetensors"})
    assert refused(tmp_path) == "names the file 'a.safetensors', which is missing"


@number(41)
def test_a_tensor_in_two_shards_or_the_wrong_one_is_refused(tmp_path: Path) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "a.safetensors")
    save_file({"w": torch.ones(1), "v": torch.ones(1)}, tmp_path / "b.safetensors")
    index = indexed(tmp_path, {"w": "a.safetensors", "v": "b.safetensors"})
    assert refused(index) == "1 tensors are in two files: 'w'"
    save_file({"v": torch.ones(1)}, tmp_path / "b.safetensors")
    indexed(tmp_path, {"w": "b.safetensors", "v": "a.safetensors"})
    assert refused(index) == "2 tensors are not in the file that it names: 'v', 'w'"


@number(41)
@pytest.mark.parametrize("weight_map", [None, [], {}, {"w": 1}, "x"])
def test_an_index_without_names_is_refused(tmp_path: Path, weight_map: Any) -> None:
    assert refused(indexed(tmp_path, weight_map)) == "has no weight_map of names of files"


# 42, 43, 44: pickles that run code ----------------------------------------------------------------


def in_zip(path: Path, evil: object) -> None:
    torch.save({"w": torch.zeros(2), "evil": evil}, path)


def in_zip_of_protocol_4(path: Path, evil: object) -> None:
    torch.save({"w": torch.zeros(2), "evil": evil}, path, pickle_protocol=4)


def in_legacy(path: Path, evil: object) -> None:
    torch.save({"w": torch.zeros(2), "evil": evil}, path, _use_new_zipfile_serialization=False)


def bare(path: Path, evil: object) -> None:
    path.write_bytes(pickle.dumps({"evil": evil}, protocol=2))


def bare_in_text(path: Path, evil: object) -> None:
    path.write_bytes(pickle.dumps({"evil": evil}, protocol=0))


def in_tar(path: Path, evil: object) -> None:
    content = pickle.dumps(evil, protocol=2)
    with tarfile.open(path, "w") as tar:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


PICKLED = [
    pytest.param(in_zip, "'posix mknod'", marks=number(42), id="zip"),
    pytest.param(in_zip_of_protocol_4, "STACK_GLOBAL", marks=number(42), id="protocol 4"),
    pytest.param(in_legacy, "format of torch before 1.6", marks=number(43), id="legacy"),
    pytest.param(bare, "bare pickle", marks=number(43), id="bare"),
    pytest.param(bare_in_text, "no safetensors file", marks=number(43), id="bare, as text"),
    pytest.param(in_tar, "tar archive", marks=number(43), id="tar"),
]


@pytest.mark.parametrize(("write", "message"), PICKLED)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
@pytest.mark.parametrize("allow", [True, False])
def test_a_hostile_pickle_creates_no_canary(
    tmp_path: Path, write: Callable[[Path, object], None], message: str, name: str, allow: bool
) -> None:
    canary = tmp_path / "canary"
    write(tmp_path / name, Canary(canary))
    assert not canary.exists()
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(InputError, match=message if allow else "pickle|safetensors"):
            open_checkpoint(str(path), allow)
    with pytest.raises(InputError):
        open_tensor_file(str(tmp_path / name))
    assert not canary.exists()


@number(42)
def test_the_canary_would_be_created_by_a_loader_that_trusts(tmp_path: Path) -> None:
    for write in (in_zip, bare):
        canary = tmp_path / write.__name__
        write(tmp_path / "x", Canary(canary))
        if write is in_zip:
            torch.load(tmp_path / "x", weights_only=False)
        else:
            pickle.loads((tmp_path / "x").read_bytes())
        assert canary.exists()


@number(42)
def test_the_process_refuses_by_itself_what_the_list_of_names_would_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pickle_file, "check_pickle", lambda text: None)
    canary = tmp_path / "canary"
    in_zip(tmp_path / "x.pth", Canary(canary))
    assert "UnpicklingError" in refused(tmp_path / "x.pth")
    assert not canary.exists()


@number(42)
def test_a_pickle_beside_a_safetensors_file_is_never_touched(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pytorch_model.bin")  # whoever opens it gets an error, or waits for ever
    save_file({"w": torch.ones(1)}, tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "pytorch_model.bin"):
        found = open_checkpoint(str(path), allow_pickle=True)
        assert found.tensors["w"].item() == 1
        assert [Path(f.path).name for f in found.files] == ["model.safetensors"]
    assert found.notes == ("the weights are those in 'model.safetensors', not the pickle's",)


@number(42)
@pytest.mark.parametrize("command", ["recompute", "audit"])
@pytest.mark.parametrize("allow", [[], ["--allow-pickle"]], ids=["refused", "allowed"])
def test_no_command_lets_a_hostile_checkpoint_create_the_canary(
    tmp_path: Path, command: str, allow: list[str]
) -> None:
    canary, run = tmp_path / "canary", tmp_path / "run"
    for part in ("vae", "unet", "batches/step-000400.safetensors", "log.csv"):
        copy = shutil.copytree if (MAIN / part).is_dir() else shutil.copy
        (run / part).parent.mkdir(parents=True, exist_ok=True)
        copy(MAIN / part, run / part)
    (run / "checkpoint-399").mkdir()
    in_zip(run / "checkpoint-399" / "pytorch_model.bin", Canary(canary))
    asked: list[str | Path] = [run]
    if command == "recompute":
        asked = [run / "checkpoint-399", "-b", run / "batches", "--vae", run / "vae"]
    done = lossaudit(command, *asked, "--spec", "musetalk-v1", *allow)
    said = b" ".join(done.stdout.split())
    if allow or command == "recompute":
        assert done.returncode == 4
        assert (b"'posix mknod'" if allow else b"is a pickle, which can run code") in said
    else:  # what nobody asked to be read is left out, and that is said
        assert done.returncode == 0
        assert b"is a pickle; --allow-pickle reads it, with limits" in said
    assert not canary.exists()


@number(44)
def test_a_distributed_checkpoint_is_refused_with_how_to_convert_it(tmp_path: Path) -> None:
    import torch.distributed.checkpoint as distributed

    folder = tmp_path / "pytorch_model_fsdp_0"
    with pytest.warns(UserWarning, match="single process"):
        distributed.save({"w": torch.zeros(2)}, checkpoint_id=folder)
    for path in (tmp_path, folder, *folder.iterdir()):
        with pytest.raises(InputError, match=r"\.metadata is a pickle") as caught:
            open_checkpoint(str(path), allow_pickle=True)
        assert "accelerate merge-weights" in caught.value.hint


@number(44)
def test_hostile_metadata_creates_no_canary(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    bare(tmp_path / ".metadata", Canary(canary))
    for path in (tmp_path, tmp_path / ".metadata"):
        assert "is a distributed checkpoint" in refused(path)
    assert not canary.exists()


# 45, 46: archives ---------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.save({"w": torch.arange(100.0), "v": torch.ones(100)}, tmp_path / "saved.pth")
    return tmp_path / "saved.pth"


@number(45)
def test_a_compressed_record_is_refused(tmp_path: Path, saved: Path) -> None:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "x.pth", "w") as new:
        for info in old.infolist():
            is_last = info.filename.endswith("data/1")
            kind = zipfile.ZIP_DEFLATED if is_last else zipfile.ZIP_STORED
            new.writestr(info.filename, old.read(info), kind)
    assert "'saved/data/1' is compressed (method 8)" in refused(tmp_path / "x.pth")


@number(46)
def test_a_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("x/data.pkl", bytes(200 << 20))
    tracemalloc.start()
    try:
        assert "is compressed" in refused(path)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@number(46)
@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("twin", ["saved/data.pkl", "saved/DATA.PKL"])
def test_a_name_that_occurs_twice_is_refused(tmp_path: Path, saved: Path, twin: str) -> None:
    def doubled(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
        yield name, content
        if name.endswith("data.pkl"):
            yield twin, content

    repacked(saved, tmp_path / "x.pth", doubled)
    assert "occurs twice" in refused(tmp_path / "x.pth")


@number(46)
@pytest.mark.parametrize("name", ["saved/../../x", "/x", "saved//x", "saved/a\\b", "other/x"])
def test_a_name_out_of_the_archive_is_refused(tmp_path: Path, saved: Path, name: str) -> None:
    def added(old: str, content: bytes) -> Iterator[tuple[str, bytes]]:
        yield old, content
        if old.endswith("version") and ".format" not in old:
            yield name, content

    repacked(saved, tmp_path / "x.pth", added)
    assert "a record has the name" in (message := refused(tmp_path / "x.pth")) or (
        "records outside of 'saved/'" in message
    )


def patched(saved: Path, before: bytes, after: bytes, which: int = -1) -> Path:
    """The same file with one occurrence of some bytes replaced."""
    content = saved.read_bytes()
    parts = content.split(before)
    assert len(parts) > 1
    at = which % (len(parts) - 1)
    changed_file = saved.with_name("patched.pth")
    changed_file.write_bytes(before.join(parts[: at + 1]) + after + before.join(parts[at + 1 :]))
    return changed_file


@number(46)
def test_sizes_that_the_archive_does_not_hold_are_refused(saved: Path) -> None:
    sizes = struct.pack("<II", 400, 400)
    forged = patched(saved, sizes, struct.pack("<II", 400, 2**31))
    assert "claims 2,147,483,648 bytes and stores 400" in refused(forged)
    forged = patched(saved, sizes, struct.pack("<II", 2**31, 2**31))
    assert "does not fit into the file" in refused(forged)
    forged = patched(saved, sizes, struct.pack("<II", 600, 600), which=-2)
    assert "overlaps the one before it" in refused(forged)


@number(46)
def test_an_archive_cut_at_any_byte_is_refused(saved: Path) -> None:
    content = saved.read_bytes()
    for length in range(0, len(content), 7):
        saved.write_bytes(content[:length])
        assert refused(saved)


@number(46)
def test_trailing_bytes_are_refused(saved: Path) -> None:
    saved.write_bytes(saved.read_bytes() + b"\0")
    assert "cut, or has trailing bytes" in refused(saved)


@number(45, 46)
@pytest.mark.usefixtures("in_process")
def test_records_in_another_order_are_not_taken_for_one_another(
    tmp_path: Path, saved: Path
) -> None:
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "x.pth", "w") as new:
        last_first = sorted(old.infolist(), key=lambda i: i.filename, reverse=True)
        for info in last_first:
            new.writestr(info.filename, old.read(info))
    assert torch.load(tmp_path / "x.pth")["w"].tolist() == list(range(100))
    assert "not in the order in which torch.save writes them" in refused(tmp_path / "x.pth")


# 47, 48, 49: what is in the tensors ---------------------------------------------------------------


@number(47)
@pytest.mark.usefixtures("in_process")
def test_elements_are_counted_against_the_bytes_that_are_stored(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1).expand(10**12)}, tmp_path / "x.pth")
    assert (tmp_path / "x.pth").stat().st_size < 2000
    assert "claim 4,000,000,000,000 bytes and it stores 1," in refused(tmp_path / "x.pth")


@number(47)
@pytest.mark.usefixtures("in_process")
def test_a_tensor_larger_than_its_storage_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(100)}, tmp_path / "saved.pth")
    enlarged = patched(tmp_path / "saved.pth", b"Kd\x85", b"Kz\x85")  # shape (100,) -> (122,)
    assert "is no pickle of weights that can be trusted" in refused(enlarged)
    larger = patched(tmp_path / "saved.pth", b"Kdt", b"Kzt", which=0)  # its storage, too
    assert "is no pickle of weights that can be trusted" in refused(larger)


PLACE = {"path": ["w"], "dtype": "float32", "shape": [10], "stride": [1], "offset": 0}


@number(47)
@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"size": 4096}, "claims a storage of 4,096 bytes that is not in the file"),
        ({"start": 64}, "claims a storage of 40 bytes that is not in the file"),
        ({"offset": 1}, "reaches beyond its storage of 40 bytes"),
        ({"stride": [2]}, "reaches beyond its storage of 40 bytes"),
        ({"stride": [-1], "offset": 9}, "has a shape that nothing can hold"),
        ({"shape": [2, 5]}, "has a shape that nothing can hold"),
        ({"dtype": "complex64"}, "is 'complex64', which is not replayed"),
        ({"shape": [10**12], "stride": [0]}, "claim 4,000,000,000,000 bytes and it stores 1,000"),
    ],
)
def test_what_the_process_says_is_not_believed(place: dict[str, Any], message: str) -> None:
    described = {**PLACE, "start": 128, "size": 40, **place}
    places = {"w": pickle_file._Place(**described)}
    with pytest.raises(ValueError, match=message):
        pickle_file._check_places(places, {"data/0": Record(128, 40)}, 1000)


@number(47)
def test_an_answer_that_is_cut_is_refused() -> None:
    for answer in (b"", b'{"tensors": [[', b'{"tensors": [[["w"], "float32"]]}', b"[]"):
        with pytest.raises(ValueError, match="was cut short"):
            pickle_file._described(answer)


def quantised() -> torch.Tensor:
    return torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)


KINDS = [
    ("sparse", lambda: torch.eye(2).to_sparse()),
    ("quantised", quantised),
    ("complex", lambda: torch.zeros(2, dtype=torch.complex64)),
    ("8-bit floating", lambda: torch.zeros(2, dtype=torch.float8_e4m3fn)),
    ("without values", lambda: torch.zeros(2, device="meta")),
]


@number(48)
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize(("kind", "make"), KINDS, ids=[k[0] for k in KINDS])
def test_other_kinds_of_tensors_are_refused_by_name(
    tmp_path: Path, kind: str, make: Callable[[], torch.Tensor]
) -> None:
    torch.save({"w": torch.zeros(2), "odd": make()}, tmp_path / "x.pth")
    assert f"it has tensors that are {kind}" in refused(tmp_path / "x.pth")


@number(48)
@pytest.mark.parametrize(
    ("dtype", "kind"),
    [(torch.complex64, r"complex \(C64\)"), (torch.float8_e5m2, r"8-bit floating \(F8_E5M2\)")],
)
def test_other_kinds_in_safetensors_are_refused_by_name(
    tmp_path: Path, dtype: torch.dtype, kind: str
) -> None:
    save_file({"odd": torch.zeros(2, dtype=dtype)}, tmp_path / "x.safetensors")
    with pytest.raises(InputError, match=f"tensor 'odd' is {kind}, which is not replayed"):
        open_tensor_file(str(tmp_path / "x.safetensors"))


@number(49)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_weights_that_are_not_finite_are_counted(tmp_path: Path, dtype: torch.dtype) -> None:
    weights = {n: torch.ones(600, 1000, dtype=dtype) for n in ("a", "b", "c")}
    weights["a"][0, 0] = weights["a"][599, 999] = float("nan")
    weights["b"][300, 7] = float("-inf")
    save_file(weights, tmp_path / "x.safetensors")
    found = open_checkpoint(str(tmp_path))
    assert found.nonfinite == {"a": 2, "b": 1}
    assert found.notes == ("3 weights are NaN or infinite, in 'a', 'b'",)


# 50, 51: not what the name says -------------------------------------------------------------------


@number(50)
def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    save_file({"w": torch.ones(1)}, tmp_path / "unet.pth")
    assert open_checkpoint(str(tmp_path / "unet.pth")).layout == "safetensors"
    torch.save({"w": torch.ones(1)}, tmp_path / "model.safetensors")
    assert "is a pickle" in refused(tmp_path / "model.safetensors", allow_pickle=False)
    assert open_checkpoint(str(tmp_path / "model.safetensors"), True).layout == "pickle"


@number(50)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5"),
        (b"GGUF\3\0\0\0" + bytes(100), "GGUF"),
        (b"<!DOCTYPE html><title>404</title>", "web page"),
        (b"\x1f\x8b\x08" + bytes(100), "gzip"),
        (b"PK\3\4" + bytes(100), "zip archive"),
        (bytes(100), "no safetensors file"),
        (b'{"weights": []}', "has no weight_map"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    assert message in refused(tmp_path / "model.safetensors")


@number(51)
def test_a_pointer_of_git_lfs_is_named(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(LFS)
    with pytest.raises(InputError) as caught:
        open_checkpoint(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path}/model.safetensors: is a git-LFS pointer, a few lines in the place of the file"
        "\n"
        "  expected: the file itself\n"
        "  try: git lfs pull"
    )
    with pytest.raises(InputError, match="git-LFS pointer"):
        open_tensor_file(str(tmp_path / "model.safetensors"))


# 52: a file that changes --------------------------------------------------------------------------


@number(52)
@pytest.mark.usefixtures("mapped")
def test_a_file_that_was_exchanged_is_the_one_that_was_hashed(tmp_path: Path) -> None:
    path, other = tmp_path / "x.safetensors", tmp_path / "other"
    save_file({"w": torch.zeros(4)}, path)
    save_file({"w": torch.ones(4)}, other)
    digest = sha256(path.read_bytes()).hexdigest()
    found = open_tensor_file(str(path))
    other.rename(path)
    assert found.tensors["w"].tolist() == [0, 0, 0, 0]
    assert found.file.sha256 == digest
    assert open_tensor_file(str(path)).file.sha256 != digest


@number(52)
@pytest.mark.usefixtures("mapped")
def test_a_file_that_was_written_to_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(4)}, path)
    found = open_checkpoint(str(path))
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    with pytest.raises(InputError, match="was written to while it was read"):
        _ = found.files


@number(52)
def test_a_small_file_is_kept_as_it_was_when_it_was_hashed(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"w": torch.zeros(4)}, path)
    digest = sha256(path.read_bytes()).hexdigest()
    found = open_checkpoint(str(path))
    save_file({"w": torch.ones(4)}, path)
    assert found.tensors["w"].tolist() == [0, 0, 0, 0]
    assert found.files[0].sha256 == digest


@number(52)
@pytest.mark.usefixtures("in_process")
def test_a_pickle_that_is_written_to_while_the_process_reads_it_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.pth"
    torch.save({"w": torch.zeros(4)}, path)
    answer = pickle_file._answer

    def meanwhile(opened: opened_file.OpenedFile) -> bytes:
        described = answer(opened)
        os.utime(path, ns=(1, 1))
        return described

    monkeypatch.setattr(pickle_file, "_answer", meanwhile)
    assert "was written to while it was read" in refused(path)


def test_the_untouched_files_are_read(saved: Path) -> None:
    """What the tests above spoil is whole before."""
    found: Checkpoint = open_checkpoint(str(saved), allow_pickle=True)
    assert found.tensors["w"].tolist() == list(range(100))
